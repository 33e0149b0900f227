//! Queries on the table `password_peppers`.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::schema::password_peppers;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = password_peppers)]
pub struct PepperRow {
    pub id: Vec<u8>,
    pub encrypted_secret: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

/// All peppers, the newest last.
pub fn all(conn: &mut PgConnection) -> QueryResult<Vec<PepperRow>> {
    password_peppers::table
        .order((password_peppers::created_at, password_peppers::id))
        .select(PepperRow::as_select())
        .load(conn)
}

pub fn insert(conn: &mut PgConnection, row: &PepperRow) -> QueryResult<usize> {
    diesel::insert_into(password_peppers::table)
        .values(row)
        .execute(conn)
}

pub fn set_secret(conn: &mut PgConnection, id: &[u8], sealed: &[u8]) -> QueryResult<usize> {
    diesel::update(password_peppers::table.find(id))
        .set(password_peppers::encrypted_secret.eq(sealed))
        .execute(conn)
}
