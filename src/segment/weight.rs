//! What JSON takes once it is parsed, known from its text alone.

/// What a JSON text takes once it is parsed as a [`Value`](super::Value). Nested empty arrays take 70
/// times their text, so that its length says little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Values: scalars, arrays and objects. One more or less for those that are empty.
    pub values: usize,
    /// Arrays and objects inside each other.
    pub levels: usize,
    /// Bytes of memory, at most; without the text, from which strings are borrowed.
    pub bytes: usize,
}

/// Most values of an event. One within Segment's 32 KB has at most 16,384, and ten times that of an
/// honest sender's density make a megabyte, the most that a queue takes.
pub const MAX_VALUES: usize = 131_072;

/// An array's first allocation: four values of 32 bytes, and what the allocator adds.
const ARRAY_BYTES: usize = 4 * 32 + 16;

/// An object's first allocation: four values with their keys of 24 bytes.
const OBJECT_BYTES: usize = 4 * 56 + 16;

/// Any further value. Allocations double, so that up to half of one is empty.
const VALUE_BYTES: usize = 2 * 56;

impl Weight {
    /// Weighs a JSON text.
    pub fn of(json: &str) -> Self {
        let (mut values, mut levels, mut level, mut bytes) = (1, 0, 0_usize, VALUE_BYTES);
        let mut text = json.bytes();
        while let Some(byte) = text.next() {
            let added = match byte {
                b'"' => {
                    skip_string(&mut text);
                    continue;
                }
                b'[' => ARRAY_BYTES,
                b'{' => OBJECT_BYTES,
                b',' => VALUE_BYTES,
                b']' | b'}' => {
                    level = level.saturating_sub(1);
                    continue;
                }
                _ => continue,
            };
            values += 1;
            bytes += added;
            if byte != b',' {
                level += 1;
                levels = levels.max(level);
            }
        }
        Self {
            values,
            levels,
            bytes,
        }
    }
}

/// Skips the rest of a string.
fn skip_string(text: &mut std::str::Bytes<'_>) {
    while let Some(byte) = text.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(text.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_strings_weighs_nothing() {
        for (json, values, levels) in [
            ("7", 1, 0),
            (r#""[{,\"[{,\\""#, 1, 0),
            (r#"{"a":1,"b":["c,",{"[":null}]}"#, 6, 3),
            ("[[],[[[]]],[]]", 9, 4),
            ("", 1, 0),
            ("[", 2, 1),
            (r#""\"#, 1, 0),
            ("]]}", 1, 0),
        ] {
            let weight = Weight::of(json);
            assert_eq!((weight.values, weight.levels), (values, levels), "{json}");
        }
    }

    #[test]
    fn the_sizes_are_those_of_the_parser() {
        use crate::segment::Value;
        assert_eq!(size_of::<Value<'_>>(), 32);
        let key_and_value = size_of::<(serde_json_borrow::KeyStrType<'_>, Value<'_>)>();
        assert_eq!(key_and_value, 56);
    }
}
