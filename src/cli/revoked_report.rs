//! What a command that revokes everything tells the operator.

use super::standard_streams::print_stderr;
use crate::accounts::lifecycle::service::RevokedCounts;

/// Tells the operator what was revoked.
pub fn report_revoked(revoked: RevokedCounts) {
    print_stderr(&format!(
        "Revoked {} sessions, {} access tokens, {} service client grants, {} links and {} invites.",
        revoked.sessions, revoked.tokens, revoked.grants, revoked.links, revoked.invites
    ));
    if revoked.passwords + revoked.client_secrets > 0 {
        print_stderr(&format!(
            "Ended {} passwords and {} client secrets.",
            revoked.passwords, revoked.client_secrets
        ));
    }
}
