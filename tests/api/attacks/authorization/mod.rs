//! Attacks on authorization: mass assignment, privilege escalation, path confusion and information disclosure.

mod disclosure;
mod mass_assignment;
mod path_confusion;
mod privilege_escalation;

const USERS: &str = "/api/v1/users";
const NEW_PASSWORD: &str = "nine purple umbrellas in june";
