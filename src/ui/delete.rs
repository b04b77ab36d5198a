//! Deleting a tag or a manifest: a page that says what goes with it, and a form that only this page can have made.
//!
//! A page of somebody else must not be able to make a browser delete something with its user's password. So the form has
//! a signature of the user, of what is deleted and of its digest, which ends after an hour, and the browser must not say
//! that the form was sent from elsewhere.

use super::frame::{Site, end};
use super::manifest::tags_of;
use super::repositories::way;
use super::tags::short_digest;
use crate::auth::Action;
use crate::clock;
use crate::endpoint::Call;
use crate::error::{Code, Error, Result};
use crate::http::{Query, Response};
use crate::layout;
use crate::location;
use crate::name::Name;
use crate::repository::{Deletion, Reference, Repository};
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Storage, Stream};

/// How long a form can be sent, in seconds.
const LIFETIME: u64 = 3600;

/// The longest form, in bytes. A signature, a digest and a time are far shorter.
const FORM_MAX: usize = 4096;

/// The most tags that are looked at to find those that go with a manifest.
const TAGS_MAX: u32 = 1000;

/// What the signature of a form is for.
const PURPOSE: &str = "lighter: a form that deletes ";

/// Whether the caller may delete from a repository here.
pub fn is_possible<S: Storage>(call: &Call<S>, name: &Name) -> bool {
    call.config.delete && !call.config.read_only && call.caller.may(Action::Delete, name.as_str())
}

/// `GET …/delete`: asks whether to delete a tag or a manifest.
pub fn ask<S: Storage>(
    repository: &Repository<S>,
    call: &Call<S>,
    reference: &Reference,
) -> Result<Response> {
    let (site, name) = (Site::of(call), repository.name());
    if !is_possible(call, name) {
        return Err(Error::new(Code::Unsupported, "the registry is read-only"));
    }
    let digest = named(repository, reference)?.ok_or_else(gone)?;
    let until = (clock::seconds() + LIFETIME).to_string();
    let signature = call.signers()?.states.sign(PURPOSE, &signed(call, name, &digest, &until));

    let mut html = site.begin("Delete");
    way(&mut html, &site, name);
    html.raw("<h1>Delete ").text(name.as_str());
    html.raw(if matches!(reference, Reference::Tag(_)) { ":" } else { "@" });
    html.raw("<wbr><span class=\"reference\">").text(call.last).raw("</span>?</h1>");
    match reference {
        Reference::Tag(_) => {
            html.raw("<p>The tag goes, and the record of what it named before. It names the manifest ");
            short_digest(&mut html, &digest);
            html.raw(" now, which stays, and so do other tags.</p>");
        }
        Reference::Digest(_) => {
            let (tags, are_more) = tags_of(repository, &digest, TAGS_MAX)?;
            html.raw("<p>The manifest goes, and every tag that names it");
            html.raw(if tags.is_empty() { ": none" } else { ":" });
            html.raw(if are_more { " among the first 1000, and any others" } else { "" }).raw("</p>");
            html.raw(if tags.is_empty() { "" } else { "<ul>" });
            for tag in &tags {
                html.raw("<li>").text(tag).raw("</li>");
            }
            html.raw(if tags.is_empty() { "" } else { "</ul>" });
            html.raw("<p>An index that names it can no longer be pulled for that platform. ");
            let referrers = layout::referrers(name, &digest, Algorithm::Sha256);
            let referrers = repository.storage().list(&referrers, None, TAGS_MAX)?.len();
            if referrers > 0 {
                html.raw("What refers to it stays, and then refers to nothing: ");
                html.number(referrers as u64).raw(if referrers == 1 {
                    " manifest. "
                } else {
                    " manifests. "
                });
            }
            html.raw("Manifests and layers that it names stay.</p>");
        }
    }
    html.raw("<p>This cannot be undone.</p><form method=\"post\" action=\"");
    html.text(site.links.delete(name, call.last).as_str()).raw("\">");
    for (field, value) in [("digest", digest.as_str()), ("until", &*until), ("signature", &*signature)] {
        html.raw("<input type=\"hidden\" name=\"").raw(field).raw("\" value=\"").text(value).raw("\">");
    }
    html.raw("<p class=\"actions\"><button class=\"danger\">Delete</button> ");
    html.link(&site.links.content(name, call.last)).raw("Keep it</a></p></form>");
    Ok(end(html, 200))
}

/// `POST …/delete`: deletes a tag or a manifest.
pub fn delete<S: Storage>(
    repository: &Repository<S>,
    call: &mut Call<S>,
    reference: &Reference,
) -> Result<Response> {
    let refused = |why| Error::new(Code::Denied, why);
    if !comes_from_here(call) {
        return Err(refused(
            "the form was sent from elsewhere; open the page of what you want to delete here",
        ));
    }
    let form = form(call)?;
    let field = |name| form.get(name).unwrap_or_default();
    let expired = "the form is too old or not yours; open the page again";
    let until = field("until");
    let digest = Digest::parse(field("digest")).map_err(|_| refused(expired))?;
    let is_signed = call.signers()?.states.has_signed(
        PURPOSE,
        &signed(call, repository.name(), &digest, until),
        field("signature"),
    );
    if !is_signed || until.parse::<u64>().is_ok_and(|until| until < clock::seconds()) {
        return Err(refused(expired));
    }
    if named(repository, reference)?.ok_or_else(gone)? != digest {
        let why = "this tag names something else by now; open its page again";
        return Err(refused(why).with_status(409));
    }
    match repository.delete(reference, &call.config.keeping.immutable_tags)? {
        Deletion::Done => {}
        Deletion::Absent => return Err(gone()),
        Deletion::Refused(tag) => {
            let why = format!("the tag {tag} is immutable: it cannot be deleted");
            return Err(Error::new(Code::Denied, why).with_status(409));
        }
    }
    let back = Site::of(call).links.repository(repository.name()).with("deleted", "1");
    Ok(Response::new(303).with_header("Location", back.as_str()).with_header("Cache-Control", "no-store"))
}

/// The digest that a reference names, if there is such a tag or manifest. Its content may be lost.
fn named<S: Storage>(repository: &Repository<S>, reference: &Reference) -> Result<Option<Digest>> {
    Ok(match reference {
        Reference::Tag(tag) => repository.named_by(tag)?,
        Reference::Digest(digest) => repository.has_link(digest)?.then(|| digest.clone()),
    })
}

fn gone() -> Error {
    Error::new(Code::ManifestUnknown, "there is nothing to delete: the repository does not have this")
}

/// What the signature of a form signs. No part can contain the sign between them.
fn signed<S: Storage>(call: &Call<S>, name: &Name, digest: &Digest, until: &str) -> String {
    [until, name.as_str(), call.last, digest.as_str(), call.caller.name()].join("\n")
}

/// Whether a form was sent from a page of this registry, as far as the browser says. One that says nothing is trusted by
/// the signature alone.
fn comes_from_here<S: Storage>(call: &Call<S>) -> bool {
    if let Some(site) = call.request.header("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = call.request.header("origin") else { return true };
    let own = location::absolute(call.config, call.request).unwrap_or_default();
    let (sender, own) = (location::host_of(origin), location::host_of(&own));
    sender.is_some() && (sender == own || sender == call.request.authority())
}

fn form<S: Storage>(call: &mut Call<S>) -> Result<Query> {
    let wrong = |why| Error::new(Code::Unsupported, why).with_status(400);
    let mut form = Vec::new();
    while let Some(bytes) = call.request.body.next().map_err(|_| wrong("the form broke off"))? {
        form.extend(bytes);
        if form.len() > FORM_MAX {
            return Err(wrong("the form is too long").with_status(413));
        }
    }
    let form = String::from_utf8(form).map_err(|_| wrong("the form is not UTF-8"))?;
    Ok(Query::parse(&form))
}
