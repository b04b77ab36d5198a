//! What all pages have in common: their beginning and end, and the headers that keep them apart from everything else.

use super::html::Html;
use super::links::{HOME, ICON, LOGIN, Links, STYLE};
use crate::endpoint::Call;
use crate::error::Error;
use crate::http::Response;
use crate::location;
use crate::media_type;
use lighter_storage::Storage;

/// The stylesheet of all pages.
pub const STYLESHEET: &str = include_str!("style.css");

/// The icon of all pages.
pub const PICTURE: &str = include_str!("icon.svg");

/// Only the own stylesheet and icon are loaded, forms lead only here, and nobody else shows a page in a frame. There is no
/// script at all.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What a page knows of its surroundings.
pub struct Site<'a> {
    /// Where links lead.
    pub links: Links,
    /// The host and port that clients use, or what stands for them.
    pub host: String,
    /// The name of the user, if there is one.
    pub user: &'a str,
    /// Whether a password would help.
    pub can_log_in: bool,
}

impl<'a> Site<'a> {
    /// Finds out where a page is shown, and to whom.
    pub fn of<S: Storage>(call: &'a Call<S>) -> Self {
        let url = location::absolute(call.config, call.request).unwrap_or_default();
        let auth = call.config.auth.as_ref().filter(|auth| auth.has_token_service());
        Self {
            links: Links { prefix: call.prefix() },
            host: location::host_of(&url).unwrap_or("REGISTRY").to_owned(),
            user: call.caller.name(),
            can_log_in: auth.is_some() && !call.caller.has_name(),
        }
    }

    /// Begins a page: everything before what it is about.
    pub fn begin(&self, title: &str) -> Html {
        let mut html = head(&self.links, title);
        if self.can_log_in {
            html.link(&self.links.whole(LOGIN)).raw("Log in</a>");
        } else if !self.user.is_empty() {
            html.raw("<span class=\"user\"><span class=\"hidden\">Logged in as </span><bdi>");
            html.cut(self.user, 64).raw("</bdi></span>");
        }
        html.raw("</header><main id=\"main\" tabindex=\"-1\">");
        html
    }
}

/// The beginning of the page's header, to which a link may be added.
fn head(links: &Links, title: &str) -> Html {
    let mut html = Html::default();
    html.raw(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>",
    );
    html.text(title).raw(" · Lighter</title><link rel=\"stylesheet\" href=\"");
    html.text(links.whole(STYLE).as_str()).raw("\">");
    icon(&mut html, links)
        .raw("</head><body><a class=\"skip\" href=\"#main\">Skip to the content</a><header class=\"site\">");
    html.link(&links.whole(HOME)).raw("<span class=\"flame\" aria-hidden=\"true\"></span>Lighter</a>");
    html
}

/// Names the icon. A browser that finds no name asks for `/favicon.ico`.
fn icon<'h>(html: &'h mut Html, links: &Links) -> &'h mut Html {
    html.raw("<link rel=\"icon\" href=\"").text(links.whole(ICON).as_str()).raw("\">")
}

/// The page at `/`, which leads to the others.
pub fn root(prefix: &str) -> Response {
    let links = Links { prefix: prefix.to_owned() };
    let home = links.whole(HOME);
    let mut html = Html::default();
    html.raw("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Lighter</title>");
    icon(&mut html, &links)
        .raw("<meta http-equiv=\"refresh\" content=\"0; url=")
        .text(home.as_str())
        .raw("\"></head><body><main>");
    html.link(&home).raw("Repositories</a>");
    let page = end(html, 200);
    page.with_header("Vary", "Accept")
}

/// Ends a page.
pub fn end(mut html: Html, status: u16) -> Response {
    html.raw("</main></body></html>");
    Response::new(status)
        .with_bytes("text/html; charset=utf-8", html.into_bytes())
        .with_headers(protections())
        .with_header("Cache-Control", "no-store")
        .with_header("Referrer-Policy", "same-origin")
        .with_header("Cross-Origin-Opener-Policy", "same-origin")
}

/// The headers of all that browsers load from here.
fn protections() -> Vec<(&'static str, String)> {
    vec![
        ("Content-Security-Policy", POLICY.to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("X-Frame-Options", "DENY".to_owned()),
    ]
}

/// A stylesheet or an icon.
pub fn file(media_type: &str, content: &'static str) -> Response {
    Response::new(200)
        .with_bytes(media_type, content.into())
        .with_headers(protections())
        .with_header("Cache-Control", "max-age=3600")
}

/// The page for a request that is refused.
pub fn refusal(error: &Error, prefix: &str) -> Response {
    let links = Links { prefix: prefix.to_owned() };
    let title = match error.status() {
        401 => "Log in",
        403 => "Not allowed",
        404 => "Not found",
        405 => "Not possible",
        400 => "Not understood",
        409 => "Not deleted",
        _ => "Something went wrong",
    };
    let mut html = head(&links, title);
    html.raw("</header><main id=\"main\" tabindex=\"-1\"><h1>").text(title).raw("</h1><p>");
    let explanation = match error.status() {
        401 => "This page is not for everybody. Log in with a name and a password of this registry.",
        _ => error.explanation(),
    };
    html.cut(explanation, 500).raw("</p><p class=\"actions\">");
    if error.status() == 401 {
        html.link(&links.whole(LOGIN)).raw("Log in</a>");
    } else {
        html.link(&links.whole(HOME)).raw("All repositories</a>");
    }
    html.raw("</p>");
    end(html, error.status())
}

/// The headers that keep a browser from taking content for a page. Content says itself what type it has, and it comes from
/// the same origin as the pages.
pub fn harmless(content_type: &str) -> Vec<(&'static str, String)> {
    if media_type::known(content_type).is_some() || content_type == media_type::UNKNOWN {
        return Vec::new();
    }
    vec![
        ("Content-Security-Policy", "default-src 'none'; sandbox".to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
    ]
}
