//! The pages to which reset, confirmation and invite links lead while no page of an application is configured for them: static
//! text without script, which says what the link is for. They neither read nor show the token, and opening one uses nothing up.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, REFERRER_POLICY,
};
use actix_web::{HttpResponse, web};

use crate::platform::config::Config;

/// What one kind of link is for.
#[derive(Clone, Copy)]
struct LinkPage {
    path: &'static str,
    title: &'static str,
    purpose: &'static str,
    /// The name of the query parameter with the token.
    parameter: &'static str,
    operation: &'static str,
    body: &'static str,
    setting: &'static str,
}

const RESET: LinkPage = LinkPage {
    path: "/reset-password",
    title: "Set a new password",
    purpose: "This link sets a new password for your account. It can be used once.",
    parameter: "token",
    operation: "POST /api/v1/auth/reset-password",
    body: r#"{"token": "…", "newPassword": "…"}"#,
    setting: "ROSTERD_RESET_URL",
};

const CONFIRM: LinkPage = LinkPage {
    path: "/confirm-email",
    title: "Confirm an email address",
    purpose: "This link confirms the email address of your account.",
    parameter: "token",
    operation: "POST /api/v1/auth/confirm-email",
    body: r#"{"token": "…"}"#,
    setting: "ROSTERD_CONFIRM_URL",
};

const REGISTER: LinkPage = LinkPage {
    path: "/register",
    title: "Create an account",
    purpose: "This link invites you to create an account.",
    parameter: "invite",
    operation: "POST /api/v1/auth/register",
    body: r#"{"username": "…", "password": "…", "inviteToken": "…"}"#,
    setting: "ROSTERD_INVITE_URL",
};

/// The pages that are served.
#[derive(Clone)]
pub struct LinkPages(Vec<LinkPage>);

impl LinkPages {
    /// A page for each kind of link that leads to this service.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let pages = [
            (&config.reset_url, RESET),
            (&config.confirm_url, CONFIRM),
            (&config.invite_url, REGISTER),
        ];
        let used = pages.into_iter().filter(|(link, _)| link.is_default());
        Self(used.map(|(_, page)| page).collect())
    }

    /// Mounts the pages.
    pub fn mount(&self, routes: &mut web::ServiceConfig) {
        for page in self.0.clone() {
            routes.route(
                page.path,
                web::get().to(move || async move { page.respond() }),
            );
        }
    }
}

impl LinkPage {
    fn respond(self) -> HttpResponse {
        const CONTENT_SECURITY: &str =
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((CONTENT_SECURITY_POLICY, CONTENT_SECURITY))
            .content_type(ContentType::html())
            .body(self.html())
    }

    fn html(self) -> String {
        let Self {
            title,
            purpose,
            parameter,
            operation,
            body,
            setting,
            ..
        } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<h1>{title}</h1>\n\
             <p>{purpose} Opening this page has not used it.</p>\n\
             <p>This service has no form for it: your application has. If you expected one here, tell the person who runs \
             the application that <code>{setting}</code> is not set. Do not give the link to anyone.</p>\n\
             <p>With a program: the token is the part of the address after <code>{parameter}=</code>. Send it to \
             <code>{operation}</code> as <code>{body}</code>.</p>\n</html>\n"
        )
    }
}
