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
