// The stand-in for Intercom's widget: takes the calls that waited for it, as the widget does.
{
  const { q } = window.Intercom
  window.Intercom = (...call) => demo.told(...call)
  q.forEach((call) => window.Intercom(...call))
}
