//! Passwords that everybody tries first: the built-in list (`common.txt`, whose head names its sources
//! and their licences: Django's list, BSD-3-Clause, and zxcvbn's, MIT) and the obvious ways to stretch
//! an entry to any length. It asks nobody: no network, no file outside the binary.

use std::cmp::Ordering;
use std::sync::LazyLock;

use super::shapes::{is_mostly_runs, repeated_unit};

/// The list without its head: whole lines, sorted by code point.
static LIST: LazyLock<&str> = LazyLock::new(|| {
    let file = include_str!("common.txt");
    file.split_once("\n\n").map_or("", |(_, entries)| entries)
});

/// A unit shorter than any password that may ever be set is too short to be worth repeating.
const SHORTEST_UNIT: usize = 8;

/// The shortest text inside decoration that is judged; below, a random mix of letters and digits is hit.
const SHORTEST_CORE: usize = 4;

/// Decoration of up to this many characters (`!`, `007`, a year) adds nothing to a common password.
const SHORT_DECORATION: usize = 4;

/// Whether a text, folded to lower case, is among the first that are guessed:
/// * it is on the list; or
/// * it is runs of the keyboard, the alphabet or the digits, and little else; or
/// * it repeats one unit that is common, or shorter than 8 characters; or
/// * it is such a text between digits, punctuation and spaces that are few, or runs, or repetition.
///
/// A sentence that merely holds common words is not.
pub(super) fn is_common(text: &[char]) -> bool {
    !text.is_empty()
        && (is_listed(text)
            || is_mostly_runs(text)
            || repeats_common_unit(text)
            || is_decorated_common(text))
}

fn repeats_common_unit(text: &[char]) -> bool {
    repeated_unit(text).is_some_and(|unit| unit.len() < SHORTEST_UNIT || is_common(unit))
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
    (SHORTEST_CORE..text.len()).contains(&core.len())
        && is_idle_decoration(before)
        && is_idle_decoration(after)
        && is_common(core)
}

fn is_idle_decoration(text: &[char]) -> bool {
    text.len() <= SHORT_DECORATION
        || is_mostly_runs(text)
        || repeated_unit(text).is_some_and(|unit| unit.len() <= SHORT_DECORATION)
}

/// Binary search over the lines as they lie in the binary: no index, no allocation.
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

/// The line in the middle of some lines, with what stands before and after it. `None` when there is none.
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
    fn the_list_is_sorted_folded_and_long_enough() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert_eq!(lines.len(), 39_764);
        assert!(lines.is_sorted_by(|a, b| a < b));
        for line in lines {
            assert!(is_nfc(line) && line == line.to_lowercase(), "{line}");
            assert!(line.chars().count() >= SHORTEST_CORE, "{line}");
        }
    }

    #[test]
    fn every_entry_is_found_and_its_neighbours_are_not() {
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
    fn an_entry_that_is_a_repetition_itself_stays_common_when_said_again() {
        let twofold = |line: &&str| repeated_unit(&line.chars().collect::<Vec<_>>()).is_some();
        let lines: Vec<&str> = LIST.lines().filter(twofold).collect();
        assert!(lines.contains(&"familiyafamiliya"));
        for line in lines {
            assert!(common(&line.repeat(2)), "{line}");
        }
    }

    #[test]
    fn the_obvious_is_common() {
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
    fn what_takes_more_than_one_guess_is_not() {
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
        fn a_listed_word_stays_common_however_often_it_is_said(
            at in 0_usize..39_764, times in 1_usize..5, tail in "[0-9!.? ]{0,4}",
        ) {
            let said = LIST.lines().nth(at).unwrap().repeat(times);
            prop_assert!(common(&said));
            // Otherwise the decoration runs into the word.
            if said.starts_with(char::is_alphabetic) && said.ends_with(char::is_alphabetic) {
                let decorated = said + &tail;
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
