//! The beginning of an id, as people type it.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use uuid::Uuid;

/// At least eight digits at the beginning of a UUID: all ids that begin with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdPrefix {
    first: Uuid,
    last: Uuid,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

impl IdPrefix {
    /// The ids that begin with this text, which may contain the hyphens of an id. `None` if it is no such beginning.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const MIN_DIGITS: usize = 8;
        const ALL_DIGITS: usize = 32;
        const HYPHENS: [usize; 4] = [8, 13, 18, 23];
        let is_well_formed = text.chars().enumerate().all(|(index, c)| {
            if HYPHENS.contains(&index) {
                c == '-'
            } else {
                c.is_ascii_hexdigit()
            }
        });
        let digits = text.replace('-', "");
        if !is_well_formed || digits.len() < MIN_DIGITS || digits.len() >= ALL_DIGITS {
            return None;
        }
        Some(Self {
            first: filled_with(&digits, '0')?,
            last: filled_with(&digits, 'f')?,
        })
    }

    /// At most two ids of a table that begin so.
    ///
    /// # Errors
    /// Database errors.
    pub fn find_in(self, conn: &mut PgConnection, table: &'static str) -> QueryResult<Vec<Uuid>> {
        let rows: Vec<IdRow> = diesel::sql_query(format!(
            "SELECT id FROM {table} WHERE id BETWEEN $1 AND $2 LIMIT 2"
        ))
        .bind::<SqlUuid, _>(self.first)
        .bind::<SqlUuid, _>(self.last)
        .load(conn)?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }
}

/// The id that begins with these digits and continues with `fill`.
fn filled_with(digits: &str, fill: char) -> Option<Uuid> {
    let padding = std::iter::repeat_n(fill, 32_usize.saturating_sub(digits.len()));
    let text: String = digits.chars().chain(padding).collect();
    Uuid::parse_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_of_an_id_covers_all_ids_that_begin_with_it() {
        let prefix = IdPrefix::parse("0199d2b4-6A5e").unwrap();
        assert_eq!(
            prefix.first.to_string(),
            "0199d2b4-6a5e-0000-0000-000000000000"
        );
        assert_eq!(
            prefix.last.to_string(),
            "0199d2b4-6a5e-ffff-ffff-ffffffffffff"
        );
        assert!(IdPrefix::parse("0199d2b4").is_some());
    }

    #[test]
    fn other_texts_are_no_beginning_of_an_id() {
        for text in [
            "",
            "0199d2b",
            "0199d2bx",
            "0199d2b46a",
            "0199-d2b4",
            "0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de",
            "0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de0",
        ] {
            assert_eq!(IdPrefix::parse(text), None, "{text}");
        }
    }
}
