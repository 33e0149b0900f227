//! Secret values. They implement neither `Debug`, `Display` nor `Serialize`, and are overwritten on drop. Every access goes
//! through `expose`, which reviewers can search for.

use zeroize::Zeroize;

/// A secret text, such as a password or a URL that contains one.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes ownership of the text. Other copies are not overwritten.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret in clear text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A symmetric key of 256 bits.
#[derive(Clone)]
pub struct SecretKey([u8; SecretKey::LENGTH]);

impl SecretKey {
    /// The length in bytes.
    pub const LENGTH: usize = 32;

    /// Takes ownership of the bytes. Other copies are not overwritten.
    #[must_use]
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Whether all bytes are the same.
    pub(super) fn is_one_repeated_byte(&self) -> bool {
        self.repeats_after(1)
    }

    /// Whether the key is visibly not random: text, a sequence, a repeated pattern, or few different bytes. A random key
    /// has one of these properties with a probability below 2^-40.
    pub(super) fn is_visibly_not_random(&self) -> bool {
        let bytes = &self.0;
        let is_text = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let distinct = bytes
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len();
        let differences = || {
            let following = bytes.iter().skip(1);
            following
                .zip(bytes)
                .map(|(next, byte)| next.wrapping_sub(*byte))
        };
        let is_sequence = differences().min() == differences().max();
        let is_pattern = (1..=Self::LENGTH / 2).any(|period| self.repeats_after(period));
        is_text || distinct < 16 || is_sequence || is_pattern
    }

    fn repeats_after(&self, period: usize) -> bool {
        let following = self.0.iter().skip(period);
        following.zip(&self.0).all(|(next, byte)| next == byte)
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does not compile for a printable type: that type has two implementations, so the call is ambiguous.
    trait NotPrintable<Marker> {
        fn check() {}
    }
    struct ImplementsDebug;
    struct ImplementsDisplay;
    struct ImplementsSerialize;
    impl<T> NotPrintable<()> for T {}
    impl<T: std::fmt::Debug> NotPrintable<ImplementsDebug> for T {}
    impl<T: std::fmt::Display> NotPrintable<ImplementsDisplay> for T {}
    impl<T: serde::Serialize> NotPrintable<ImplementsSerialize> for T {}

    #[test]
    fn secrets_and_the_configuration_cannot_be_printed() {
        <Secret as NotPrintable<_>>::check();
        <SecretKey as NotPrintable<_>>::check();
        <crate::platform::config::Config as NotPrintable<_>>::check();
    }
}
