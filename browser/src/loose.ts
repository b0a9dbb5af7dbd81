// Traits and options as the function reads them: loose keys, ids, texts.

/** What a JSON object holds. */
export type Fields = { [key: string]: unknown }

/** Lower case, only letters, digits and dots: `firstName`, `first_name` and `First Name` are one key. */
export const canonical = (key: string): string => key.toLowerCase().replace(/[^\p{L}\p{N}.]/gu, "")

export const isObject = (value: unknown): value is Fields => typeof value == "object" && !!value && !Array.isArray(value)

/** The first value of each canonical key. A null counts as absent, since it never overwrites anything. */
export function loosely(object: unknown): Fields {
  const fields: Fields = {}
  if (isObject(object)) for (const key in object) fields[canonical(key)] ??= object[key]
  return fields
}

export const isText = (value: unknown): value is string => typeof value == "string"

/** An id as text, without blanks around it and control characters. A number counts where JSON holds it exactly. */
export const idText = (value: unknown): string | undefined =>
  isText(value) ? value.replace(/\p{Cc}/gu, "").trim() || undefined
  : typeof value == "number" && Math.abs(value) < 2 ** 53 ? `${value}` : undefined

/** A text with something in it, without white space around it. */
export const filled = (value: unknown): string | undefined => (isText(value) && value.trim()) || undefined

/** The same, or a number written out. */
export const text = (value: unknown): string | undefined => (isText(value) ? filled(value) : idText(value))

/** A text as long as Intercom stores it. */
export const cut = (text: string, characters = 255): string =>
  text.length > characters ? [...text].slice(0, characters).join("") : text

/** The email address in a text; undefined for what Intercom would refuse. */
export const address = (value: unknown): string | undefined =>
  /^(?!')[^@\s\p{Cc},;"<>]+@[^@\s\p{Cc},;"<>]+\.[^@\s\p{Cc},;"<>.']+$/u.exec(`${filled(value)}`.replace(/^mailto:\s*/i, ""))?.[0]

/** What `read` gives for the first of these fields that it can use. */
export const firstOf = <T>(fields: Fields, names: string[], read: (value: unknown) => T | undefined): T | undefined =>
  names.map((name) => read(fields[name])).find((value) => value != null)
