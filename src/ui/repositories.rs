//! The list of repositories: a tree by the components of their names, in pages, and a search in it.

use super::frame::{Site, end};
use super::html::{Html, has};
use super::links::HOME;
use crate::catalog;
use crate::endpoint::Call;
use crate::error::Result;
use crate::http::Response;
use crate::layout;
use crate::name::{NAME_MAX, Name};
use lighter_storage::{self as storage, Storage};

/// The most repositories on a page.
const PAGE: usize = 100;

/// The most repositories whose names are compared with what is searched for before a page is shown, even if none fits.
const COMPARED_MAX: usize = 1000;

/// `GET /ui/`: the repositories that the caller may pull, below `in` if that is given, whose names contain `q`.
pub fn show<S: Storage>(call: &Call<S>) -> Result<Response> {
    let site = Site::of(call);
    let query = &call.request.query;
    let wanted = query.get("q").unwrap_or_default().trim();
    let folder = query.get("in").and_then(|folder| Name::parse(folder).ok());
    let last = query.get("last").and_then(|last| Name::parse(last).ok());
    let found = find(call, folder.as_ref(), wanted, last.as_ref())?;

    let mut html = site.begin("Repositories");
    html.raw("<h1>");
    match &folder {
        Some(folder) => _ = html.text(folder.as_str()).raw("/</h1>"),
        None => _ = html.raw("Repositories</h1>"),
    }
    let folder = folder.as_ref().map_or("", Name::as_str);
    search(&mut html, &site, wanted, folder);
    if found.names.is_empty() && found.next.is_none() {
        html.raw("<p class=\"empty\">");
        html.raw(if wanted.is_empty() && folder.is_empty() {
            "There is nothing here yet. The first push makes a repository."
        } else {
            "No repository fits."
        });
        html.raw("</p>");
    }
    tree(&mut html, &site, &found.names);
    html.raw("<p class=\"actions\">");
    if last.is_some() || !wanted.is_empty() || !folder.is_empty() {
        html.link(&site.links.whole(HOME)).raw("All repositories</a> ");
    }
    if let Some(next) = found.next {
        let link = site.links.whole(HOME).with("q", wanted).with("in", folder).with("last", &next);
        html.link(&link).raw(if found.names.is_empty() { "Search on</a>" } else { "Next page</a>" });
    }
    html.raw("</p>");
    Ok(end(html, 200))
}

fn search(html: &mut Html, site: &Site, wanted: &str, folder: &str) {
    html.raw("<form role=\"search\" class=\"search\" action=\"").text(site.links.whole(HOME).as_str());
    html.raw("\"><label class=\"hidden\" for=\"q\">Part of a name</label>");
    html.raw("<input id=\"q\" type=\"search\" name=\"q\" maxlength=\"255\" placeholder=\"Part of a name\" value=\"");
    html.cut(wanted, NAME_MAX).raw("\">");
    if !folder.is_empty() {
        html.raw("<input type=\"hidden\" name=\"in\" value=\"").text(folder).raw("\">");
    }
    html.raw("<button>Search</button></form>");
}

/// The repositories of a page.
#[derive(Default)]
struct Found {
    names: Vec<String>,
    /// After which one the next page begins, if there may be more.
    next: Option<String>,
}

/// Finds the repositories of a page. Those that the caller may not pull are passed over where they are listed, so no
/// link names one of them.
fn find<S: Storage>(
    call: &Call<S>,
    folder: Option<&Name>,
    wanted: &str,
    last: Option<&Name>,
) -> storage::Result<Found> {
    let below = folder.map(|folder| folder.to_string() + "/");
    let wanted = wanted.to_ascii_lowercase();
    let fits = |name: &str| has(name, &wanted);
    let mut found = Found::default();
    let mut after = last.or(folder).map(Name::to_string);
    let mut compared = 0;
    if let Some(folder) = folder.filter(|folder| last.is_none() && fits(folder.as_str())) {
        // The walk begins after the folder, which may be a repository itself.
        if call.caller.may_see(folder.as_str()) && is_listed(call.storage, folder)? {
            found.names.push(folder.to_string());
        }
    }
    loop {
        let shows = |name: &str| call.caller.may_see(name);
        let batch = catalog::list(call.storage, shows, after.as_deref(), PAGE + 1)?;
        let is_last = batch.len() <= PAGE;
        for name in batch {
            if below.as_ref().is_some_and(|below| !name.starts_with(below)) {
                return Ok(found);
            }
            if found.names.len() == PAGE || compared == COMPARED_MAX {
                return Ok(Found { next: after, ..found });
            }
            if fits(&name) {
                found.names.push(name.clone());
            }
            compared += 1;
            after = Some(name);
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// Whether a folder is itself a repository that is listed.
fn is_listed<S: Storage>(storage: &S, folder: &Name) -> storage::Result<bool> {
    let parts = storage.list(&layout::repository(folder), Some(layout::BEFORE_MANIFESTS), 1)?;
    Ok(parts.first().is_some_and(|part| part == layout::MANIFESTS))
}

/// A component of a name whose item of the list is open.
struct Open<'a> {
    component: &'a str,
    has_list: bool,
}

/// Writes names as a tree. They are in the order of their components, so what is below a name comes right after it.
fn tree(html: &mut Html, site: &Site, names: &[String]) {
    let mut open: Vec<Open> = vec![Open { component: "", has_list: false }];
    for name in names {
        let components: Vec<&str> = name.split('/').collect();
        let is_open = open.iter().skip(1).zip(&components).take_while(|(open, own)| open.component == **own);
        let common = is_open.count();
        close(html, &mut open, common + 1);
        let mut path = String::new();
        for (depth, component) in components.iter().enumerate() {
            path += if path.is_empty() { "" } else { "/" };
            path += component;
            if depth < common {
                continue;
            }
            if let Some(above) = open.last_mut().filter(|above| !above.has_list) {
                html.raw(if depth == 0 { "<ul class=\"tree\">" } else { "<ul>" });
                above.has_list = true;
            }
            open.push(Open { component, has_list: false });
            match Name::parse(&path) {
                Ok(name) if depth + 1 == components.len() => {
                    html.raw("<li class=\"repository\">").link(&site.links.repository(&name));
                    html.text(component).raw("</a>");
                }
                _ => {
                    html.raw("<li class=\"folder\">").link(&site.links.whole(HOME).with("in", &path));
                    html.text(component).raw("/</a>");
                }
            }
        }
    }
    close(html, &mut open, 0);
}

/// Closes items until only `depth` are open. The outermost one is the list itself.
fn close(html: &mut Html, open: &mut Vec<Open>, depth: usize) {
    while open.len() > depth {
        let Some(closed) = open.pop() else { return };
        html.raw(if closed.has_list { "</ul>" } else { "" });
        html.raw(if open.is_empty() { "" } else { "</li>" });
    }
}

/// Writes the way to a repository: links to the list, to each folder, and to the repository.
pub fn way(html: &mut Html, site: &Site, name: &Name) {
    html.raw("<nav class=\"way\" aria-label=\"Where this is\">").link(&site.links.whole(HOME));
    html.raw("Repositories</a>");
    let mut path = String::new();
    for component in name.as_str().split('/') {
        path += if path.is_empty() { "" } else { "/" };
        path += component;
        html.raw(" <span aria-hidden=\"true\">/</span> ");
        if path == name.as_str() {
            html.link(&site.links.repository(name));
        } else {
            html.link(&site.links.whole(HOME).with("in", &path));
        }
        html.text(component).raw("</a>");
    }
    html.raw("</nav>");
}
