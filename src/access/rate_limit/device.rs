//! What a browser is known by where its account signed in before: a signed cookie. It proves nothing but that; who has it may
//! try a few more passwords, and is shut out of nothing by what strangers do.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::policy::KNOWN_FOR;
use crate::platform::crypto::{self, Purpose, Vault};
use crate::platform::ids::UserId;

/// The account's id and the second of its sign-in.
const SIGNED: usize = 16 + 8;

/// For how long a device is known.
#[must_use]
pub const fn lasts() -> TimeDelta {
    KNOWN_FOR
}

/// What a device is given on which this account signs in now.
#[must_use]
pub fn token(vault: &Vault, account: UserId, now: DateTime<Utc>) -> String {
    let signed = [
        account.0.as_bytes().as_slice(),
        &now.timestamp().to_be_bytes(),
    ]
    .concat();
    let mac = vault.mac(Purpose::DeviceCookie, &signed);
    URL_SAFE_NO_PAD.encode([signed.as_slice(), &mac].concat())
}

/// The account that lately signed in on the device that has this token.
#[must_use]
pub fn account_of(vault: &Vault, token: &str, now: DateTime<Utc>) -> Option<UserId> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (signed, mac) = bytes.split_at_checked(SIGNED)?;
    if !crypto::same(mac, &vault.mac(Purpose::DeviceCookie, signed)) {
        return None;
    }
    let (account, seconds) = signed.split_at_checked(16)?;
    let then = DateTime::from_timestamp(i64::from_be_bytes(seconds.try_into().ok()?), 0)?;
    (now - then < KNOWN_FOR).then_some(UserId(Uuid::from_slice(account).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_for_its_account_for_a_while_and_by_its_own_token_only() {
        let (ours, foreign) = (Vault::new(&[1; 32]).unwrap(), Vault::new(&[2; 32]).unwrap());
        let (ada, now) = (UserId(Uuid::from_u128(7)), DateTime::UNIX_EPOCH);
        let given = token(&ours, ada, now);
        let known = |vault, token: &str, after| account_of(vault, token, now + after);
        let while_known = KNOWN_FOR - TimeDelta::seconds(1);
        assert_eq!(known(&ours, &given, while_known), Some(ada));
        assert_eq!(known(&ours, &given, KNOWN_FOR), None);
        assert_eq!(known(&foreign, &given, while_known), None);
        let grace = token(&foreign, UserId(Uuid::from_u128(8)), now);
        for forged in [
            "",
            "x",
            &grace,
            given.get(4..).unwrap(),
            &format!("{given}AAAA"),
        ] {
            assert_eq!(known(&ours, forged, while_known), None, "{forged}");
        }
    }
}
