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

/** An id as text: numbers are written out, a blank one is none. */
export const idText = (value: unknown): string | undefined =>
  (isText(value) ? value.trim() : typeof value == "number") ? `${value}` : undefined

/** A text with something in it, without white space around it. */
export const filled = (value: unknown): string | undefined => (isText(value) && value.trim()) || undefined

/** The same, or a number written out. */
export const text = (value: unknown): string | undefined => idText(value)?.trim()

/** What `read` gives for the first of these fields that it can use. */
export const firstOf = <T>(fields: Fields, names: string[], read: (value: unknown) => T | undefined): T | undefined =>
  names.map((name) => read(fields[name])).find((value) => value != null)
