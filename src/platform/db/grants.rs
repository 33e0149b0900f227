//! The privileges of the role that the service uses, if the tables belong to another role.

use diesel::RunQueryDsl;
use diesel::sql_types::Text;

use super::Tx;
use crate::platform::error::AppError;

#[derive(diesel::QueryableByName)]
struct GrantRow {
    #[diesel(sql_type = Text)]
    privilege: String,
}

/// The tables that the service does not change, or only adds rows to, with what it needs. All other tables need all four
/// privileges.
const LIMITED_TABLES: &str = "\
    ('__diesel_schema_migrations', ARRAY['SELECT']), \
    ('audit_chain_anchors', ARRAY['SELECT']), \
    ('audit_events', ARRAY['SELECT', 'INSERT']), \
    ('audit_chain_links', ARRAY['SELECT', 'INSERT']), \
    ('audit_personal_data', ARRAY['SELECT', 'INSERT']), \
    ('audit_chain_queue', ARRAY['SELECT', 'INSERT', 'DELETE'])";

/// The functions that the service calls with the privileges of their owner.
const FUNCTIONS: &str = "'erase_audit_personal_data(uuid)', 'prune_audit_log(bigint, bytea)'";

/// What the role of the connection needs and does not have, such as `UPDATE on sessions`. `None` if the role owns the tables,
/// directly or as a member of the owner, or is a superuser. Tables of other owners in the same schema are not of rosterd.
///
/// # Errors
/// Database errors.
pub fn missing_grants(tx: &mut Tx<'_>) -> Result<Option<Vec<String>>, AppError> {
    let is_owner = diesel::sql_query(
        "SELECT 'owner' AS privilege FROM pg_class WHERE oid = 'users'::regclass AND pg_has_role(relowner, 'USAGE')",
    )
    .get_results::<GrantRow>(tx.conn)?;
    if !is_owner.is_empty() {
        return Ok(None);
    }
    let missing: Vec<GrantRow> = diesel::sql_query(format!(
        "WITH owned AS ( \
             SELECT c.oid, c.relname FROM pg_class c, pg_class u \
             WHERE u.oid = 'users'::regclass AND c.relnamespace = u.relnamespace AND c.relowner = u.relowner \
                 AND c.relkind = 'r'), \
         limited (relname, privileges) AS (VALUES {LIMITED_TABLES}) \
         SELECT privilege || ' on ' || relname AS privilege FROM owned LEFT JOIN limited USING (relname), \
             unnest(coalesce(privileges, ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])) AS needed (privilege) \
         WHERE NOT has_table_privilege(oid, privilege) \
         UNION ALL \
         SELECT 'EXECUTE on ' || name FROM unnest(ARRAY[{FUNCTIONS}]) AS needed (name) \
         WHERE NOT has_function_privilege(name, 'EXECUTE') \
         ORDER BY privilege"
    ))
    .get_results(tx.conn)?;
    Ok(Some(missing.into_iter().map(|row| row.privilege).collect()))
}
