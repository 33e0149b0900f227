//! Patterns that make a long text easy to guess: runs along the keyboard or the alphabet, and repetition.
//! All texts are lower-case code points.

use zeroize::Zeroizing;

/// Character sequences on keyboards and in alphabets, matched in both directions. The digits appear twice so that a run
/// can continue from 9 to 0 to 1.
const SEQUENCES: &[&str] = &[
    "12345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "!@#$%^&*()_+",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "8ik,",
    "9ol.",
    "0p;/",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
];

/// The shortest run that counts. Many ordinary words contain pairs of neighbours, such as "were" and "stop".
const MIN_RUN_LENGTH: usize = 3;

/// Whether the text consists mostly of runs: when each run counts as one character, at most a third of the length is left.
/// True for `qwertyuiopasdfg`, `111222333444555` and `1q2w3e4r5t6y7u8i` (two interleaved runs).
pub(super) fn is_mostly_runs(text: &[char]) -> bool {
    consists_of_runs(text)
        || (consists_of_runs(&every_second(text)) && consists_of_runs(&every_second(tail(text, 1))))
}

/// The shortest unit that the text repeats at least twice. The last repetition may be incomplete.
pub(super) fn repeated_unit(text: &[char]) -> Option<&[char]> {
    (1..=text.len() / 2)
        .find(|&period| {
            tail(text, period)
                .iter()
                .eq(text.iter().take(text.len() - period))
        })
        .and_then(|period| text.get(..period))
}

fn consists_of_runs(text: &[char]) -> bool {
    let max_units = text.len() / 3;
    let mut units = 0;
    let mut rest = text;
    while !rest.is_empty() && units <= max_units {
        let run = run_length(rest);
        rest = tail(rest, if run >= MIN_RUN_LENGTH { run } else { 1 });
        units += 1;
    }
    units <= max_units
}

/// The length of the longest run at the start of the text: along one sequence, or of one repeated character.
fn run_length(text: &[char]) -> usize {
    let Some(&first) = text.first() else { return 0 };
    SEQUENCES
        .iter()
        .flat_map(|sequence| {
            [
                common_prefix_length(sequence.chars().skip_while(|&c| c != first), text),
                common_prefix_length(sequence.chars().rev().skip_while(|&c| c != first), text),
            ]
        })
        .chain([common_prefix_length(std::iter::repeat(first), text)])
        .max()
        .unwrap_or_default()
}

fn common_prefix_length(sequence: impl Iterator<Item = char>, text: &[char]) -> usize {
    sequence
        .zip(text)
        .take_while(|(expected, actual)| expected == *actual)
        .count()
}

fn every_second(text: &[char]) -> Zeroizing<Vec<char>> {
    Zeroizing::new(text.iter().step_by(2).copied().collect())
}

fn tail(text: &[char], from: usize) -> &[char] {
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn runs_are_found_in_both_directions_and_interleaved() {
        for text in [
            "aaaaaaaaaaaaaaa",
            "qwertyuiopasdfg",
            "123456789012345",
            "098765432109876",
            "zyxwvutsrqponml",
            "111222333444555",
            "1qaz2wsx3edc4rfv",
            "1q2w3e4r5t6y7u8i",
            "q1w2e3r4t5y6u7i8",
            "112233445566778899",
            "abcdefgh12345678",
            "!@#$%^&*()!@#$%^&",
            "йцукенгшщзхъфывап",
            "11111111111111x",
            "😀😀😀😀😀😀😀😀",
        ] {
            assert!(is_mostly_runs(&chars(text)), "{text}");
        }
    }

    #[test]
    fn ordinary_words_are_not_runs() {
        for text in [
            "correct horse battery staple",
            "were you stopping there",
            "property of the poets",
            "thirtythreetrees",
            "kxqvz123",
            "12345678noqwas",
            "😀😎🐴🔋📎🎉🍎🚲",
        ] {
            assert!(!is_mostly_runs(&chars(text)), "{text}");
        }
    }

    #[test]
    fn repeated_unit_is_found_even_if_the_last_repetition_is_incomplete() {
        let unit = |text: &str| repeated_unit(&chars(text)).map(String::from_iter);
        assert_eq!(unit("passwordpassword").as_deref(), Some("password"));
        assert_eq!(unit("abcabcabcab").as_deref(), Some("abc"));
        assert_eq!(unit("zzzz").as_deref(), Some("z"));
        assert_eq!(unit("passwordpasswor"), None);
        assert_eq!(unit("abcdefabcdeg"), None);
        assert_eq!(unit("x"), None);
        assert_eq!(unit(""), None);
    }

    proptest! {
        #[test]
        fn unit_of_repeated_text_is_at_most_as_long_as_the_repeated_text(unit in "\\PC{1,12}", times in 2_usize..6) {
            let unit = chars(&unit);
            let text = unit.repeat(times);
            let found = repeated_unit(&text).map(<[char]>::len);
            prop_assert!(found.is_some_and(|length| length <= unit.len()));
        }

        #[test]
        fn no_text_causes_a_panic(text in "\\PC{0,200}") {
            let text = chars(&text);
            is_mostly_runs(&text);
            repeated_unit(&text);
        }
    }
}
