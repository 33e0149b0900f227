//! Values that must never be shown: no `Debug`, no `Display`, no `Serialize`, wiped when dropped.
//! Whoever needs one says so with `expose`, which a reviewer can search for.

use zeroize::Zeroize;

/// A secret text, such as a password or an address with one in it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over; other copies of it are the caller's to wipe.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
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
    /// Its length in bytes.
    pub const LENGTH: usize = 32;

    /// Takes the bytes over; other copies of them are the caller's to wipe.
    #[must_use]
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes themselves.
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

    /// Implemented twice for what can be shown, so that naming it for such a type does not compile.
    trait NotShown<Mark> {
        fn holds() {}
    }
    struct ByDebug;
    struct ByDisplay;
    struct BySerialize;
    impl<T> NotShown<()> for T {}
    impl<T: std::fmt::Debug> NotShown<ByDebug> for T {}
    impl<T: std::fmt::Display> NotShown<ByDisplay> for T {}
    impl<T: serde::Serialize> NotShown<BySerialize> for T {}

    #[test]
    fn secrets_and_what_holds_them_can_not_be_printed() {
        <Secret as NotShown<_>>::holds();
        <SecretKey as NotShown<_>>::holds();
        <crate::platform::config::Config as NotShown<_>>::holds();
    }
}
