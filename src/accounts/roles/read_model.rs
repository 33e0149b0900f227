//! Read model across tables: who holds a permission. It reads `users` and `service_clients` beside `roles`, because a
//! permission can only be removed when none of the three has it, and `roles` is below both modules.

use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::schema::{roles, service_clients, users};

/// The number of accounts, roles and service clients that have this permission of their own.
pub fn count_permission_holders(conn: &mut PgConnection, name: &str) -> QueryResult<i64> {
    let one = vec![name.to_owned()];
    let users: i64 = users::table
        .filter(users::permissions.contains(&one))
        .count()
        .get_result(conn)?;
    let roles: i64 = roles::table
        .filter(roles::permissions.contains(&one))
        .count()
        .get_result(conn)?;
    let clients: i64 = service_clients::table
        .filter(service_clients::permissions.contains(&one))
        .count()
        .get_result(conn)?;
    Ok(users + roles + clients)
}
