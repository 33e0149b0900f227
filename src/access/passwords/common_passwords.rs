//! Detects common passwords: the entries of a built-in list, and entries made longer by repetition, digits or punctuation.
//! `scripts/common-passwords` generates the list. Its head names the sources and their licences (Django: BSD-3-Clause, zxcvbn and
//! `SecLists`: MIT).

use std::cmp::Ordering;
use std::sync::LazyLock;

use super::patterns::{is_mostly_runs, repeated_unit};

/// The list without its header: one entry per line, sorted by code point.
static LIST: LazyLock<&str> = LazyLock::new(|| {
    let file = include_str!("common_passwords.txt");
    file.split_once("\n\n").map_or("", |(_, entries)| entries)
});

/// A repeated unit shorter than this is always common. No policy accepts a shorter password.
const MIN_UNIT_LENGTH: usize = 8;

/// The shortest text inside a decoration that is checked. A lower value would match random mixes of letters and digits.
const MIN_CORE_LENGTH: usize = 4;

/// A decoration of up to this many characters (`!`, `007`, a year) does not make a common password stronger.
const MAX_WEAK_DECORATION: usize = 4;

/// Whether a lower-case text is among the first that an attacker guesses:
/// * it is on the list; or
/// * it consists mostly of keyboard, alphabet or digit runs; or
/// * it repeats a unit that is common or shorter than 8 characters; or
/// * it is such a text surrounded by weak decoration: non-letters that are few, a run or a repetition.
///
/// A sentence that only contains common words is not common.
pub(super) fn is_common(text: &[char]) -> bool {
    !text.is_empty()
        && (is_listed(text)
            || is_mostly_runs(text)
            || repeats_common_unit(text)
            || is_decorated_common(text))
}

fn repeats_common_unit(text: &[char]) -> bool {
    repeated_unit(text).is_some_and(|unit| unit.len() < MIN_UNIT_LENGTH || is_common(unit))
}

fn is_decorated_common(text: &[char]) -> bool {
    let is_letter = |c: &char| c.is_alphabetic();
    let (Some(first), Some(last)) = (
        text.iter().position(is_letter),
        text.iter().rposition(is_letter),
    ) else {
        return false;
    };
    let (before, rest) = text.split_at(first);
    let (core, after) = rest.split_at(last + 1 - first);
    (MIN_CORE_LENGTH..text.len()).contains(&core.len())
        && is_weak_decoration(before)
        && is_weak_decoration(after)
        && is_common(core)
}

fn is_weak_decoration(text: &[char]) -> bool {
    text.len() <= MAX_WEAK_DECORATION
        || is_mostly_runs(text)
        || repeated_unit(text).is_some_and(|unit| unit.len() <= MAX_WEAK_DECORATION)
}

/// Binary search over the lines of the embedded text, without an index or allocation.
fn is_listed(text: &[char]) -> bool {
    let mut lines: &str = &LIST;
    while let Some((before, line, after)) = middle_line(lines) {
        match line.chars().cmp(text.iter().copied()) {
            Ordering::Equal => return true,
            Ordering::Less => lines = after,
            Ordering::Greater => lines = before,
        }
    }
    false
}

/// The text before the middle line, the middle line, and the text after it. `None` if there are no lines.
fn middle_line(lines: &str) -> Option<(&str, &str, &str)> {
    let (first_half, _) = lines.as_bytes().split_at_checked(lines.len() / 2)?;
    let start = first_half
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let (before, rest) = lines.split_at_checked(start)?;
    let (line, after) = rest.split_once('\n')?;
    Some((before, line, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;

    use super::*;

    fn common(text: &str) -> bool {
        is_common(&text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn list_is_sorted_lower_case_and_has_no_short_entries() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert_eq!(lines.len(), 82_405);
        assert!(lines.is_sorted_by(|a, b| a < b));
        for line in lines {
            assert!(is_nfc(line) && line == line.to_lowercase(), "{line}");
            assert!(line.chars().count() >= MIN_CORE_LENGTH, "{line}");
        }
    }

    #[test]
    fn list_has_long_entries_for_high_minimum_lengths() {
        let count = |length: usize| {
            let is_long_enough = |line: &&str| line.chars().count() >= length;
            LIST.lines().filter(is_long_enough).count()
        };
        // The source has fewer entries of at least 15 characters than the script would take.
        for (length, expected) in [(8, 58_926), (12, 24_621), (15, 9_748), (20, 1_022)] {
            assert_eq!(count(length), expected, "{length}");
        }
        assert!(common("qwertyuiop12345") && common("momsanaladventure"));
    }

    #[test]
    fn every_entry_is_found_and_similar_text_is_not() {
        let listed = |text: &str| is_listed(&text.chars().collect::<Vec<_>>());
        for line in LIST.lines() {
            assert!(listed(line), "{line}");
            assert!(!listed(&format!("{line}\n")));
            assert!(!listed(&format!("{line}~qx")));
        }
        assert!(!listed(""));
        assert!(!listed("\n"));
        assert!(!listed("#"));
    }

    #[test]
    fn repeating_an_entry_that_is_itself_a_repetition_stays_common() {
        let is_repetition =
            |line: &&str| repeated_unit(&line.chars().collect::<Vec<_>>()).is_some();
        let lines: Vec<&str> = LIST.lines().filter(is_repetition).collect();
        assert!(lines.contains(&"familiyafamiliya"));
        for line in lines {
            assert!(common(&line.repeat(2)), "{line}");
        }
    }

    #[test]
    fn obvious_variants_are_common() {
        for text in [
            "password",
            "manchesterunited",
            "1q2w3e4r5t6y7u8i9o0p",
            "passwordpassword",
            "passwordpasswordpass",
            "dragondragondragon",
            "xkqjxkqjxkqjxkqj",
            "aaaaaaaaaaaaaaa",
            "qwertyuiopasdfg",
            "123456789012345",
            "monkey123456789",
            "password12345678",
            "sunshine20242024",
            "2024manchesterunited!",
            "*** password ***",
            "p@ssw0rd12345678",
            "passwordpassword1!",
        ] {
            assert!(common(text), "{text}");
        }
    }

    #[test]
    fn passphrases_and_random_text_are_not_common() {
        for text in [
            "",
            "correct horse battery staple",
            "correcthorsebatterystaple",
            "password is what i forgot",
            "dragon eats sunshine",
            "yjkwmfqohzdbrxt",
            "48xx2193",
            "4821kf93",
            "kxqvz123",
            "48213093",
            "password 1815-06-18",
            "1815-06-18 password",
            "😀😎🐴🔋📎🎉🍎🚲",
        ] {
            assert!(!common(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn repeated_entry_is_common(
            index in 0_usize..39_764, times in 1_usize..5, tail in "[0-9!.? ]{0,4}",
        ) {
            let repeated = LIST.lines().nth(index).unwrap().repeat(times);
            prop_assert!(common(&repeated));
            // The decoration must be distinguishable from the word.
            if repeated.starts_with(char::is_alphabetic) && repeated.ends_with(char::is_alphabetic) {
                let decorated = repeated + &tail;
                prop_assert!(common(&decorated));
            }
        }

        #[test]
        fn random_letters_are_not_common(text in "[b-df-hj-np-tv-z]{15}") {
            prop_assume!(!is_mostly_runs(&text.chars().collect::<Vec<_>>()));
            prop_assert!(!common(&text));
        }
    }
}
