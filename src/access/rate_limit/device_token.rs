//! The signed device cookie: names the account that recently signed in on this browser. It does not authenticate the caller.
//! It only gives the browser its own budget of password attempts, so that an attacker cannot block the account's owner.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::policy::RECOGNITION_PERIOD;
use crate::platform::crypto::{KeyPurpose, Vault};
use crate::platform::ids::UserId;

/// The signed part in bytes: the account id and the Unix time of the sign-in.
const SIGNED_BYTES: usize = 16 + 8;

/// How long a device token is valid.
#[must_use]
pub const fn lifetime() -> TimeDelta {
    RECOGNITION_PERIOD
}

/// A new token for a device on which this account signs in now.
#[must_use]
pub fn issue(vault: &Vault, account: UserId, now: DateTime<Utc>) -> String {
    let signed = [
        account.0.as_bytes().as_slice(),
        &now.timestamp().to_be_bytes(),
    ]
    .concat();
    let mac = vault.mac(KeyPurpose::DeviceCookie, &signed);
    URL_SAFE_NO_PAD.encode([signed.as_slice(), &mac].concat())
}

/// The account that the token was issued to. `None` if the token is invalid or has expired.
#[must_use]
pub fn verify(vault: &Vault, token: &str, now: DateTime<Utc>) -> Option<UserId> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (signed, mac) = bytes.split_at_checked(SIGNED_BYTES)?;
    if !vault.is_mac_valid(KeyPurpose::DeviceCookie, signed, mac) {
        return None;
    }
    let (account, seconds) = signed.split_at_checked(16)?;
    let issued_at = DateTime::from_timestamp(i64::from_be_bytes(seconds.try_into().ok()?), 0)?;
    (now - issued_at < RECOGNITION_PERIOD).then_some(UserId(Uuid::from_slice(account).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_token_is_valid_for_its_account_until_it_expires() {
        let (vault, other_vault) = (Vault::new(&[1; 32]).unwrap(), Vault::new(&[2; 32]).unwrap());
        let (account, now) = (UserId(Uuid::from_u128(7)), DateTime::UNIX_EPOCH);
        let issued = issue(&vault, account, now);
        let verify_after = |vault, token: &str, age| verify(vault, token, now + age);
        let before_expiry = RECOGNITION_PERIOD - TimeDelta::seconds(1);
        assert_eq!(verify_after(&vault, &issued, before_expiry), Some(account));
        assert_eq!(verify_after(&vault, &issued, RECOGNITION_PERIOD), None);
        assert_eq!(verify_after(&other_vault, &issued, before_expiry), None);
        let other_key = issue(&other_vault, UserId(Uuid::from_u128(8)), now);
        for forged in [
            "",
            "x",
            &other_key,
            issued.get(4..).unwrap(),
            &format!("{issued}AAAA"),
        ] {
            assert_eq!(
                verify_after(&vault, forged, before_expiry),
                None,
                "{forged}"
            );
        }
    }
}
