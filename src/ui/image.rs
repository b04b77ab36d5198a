//! The parts of a page that show what an image or an artifact is made of: layers, and the config.

use serde_json::value::RawValue;

use super::blob::small_json;
use super::frame::Site;
use super::html::Html;
use super::kind::{Tools, is_image_config};
use super::manifest::{NAME_SHOWN_MAX, VALUE_MAX, content_link, pairs};
use super::parts::{PAIRS_MAX, Pairs, Part, Parts, platform, text_of};
use super::summary::short;
use super::units;
use crate::members::Members;
use crate::repository::Repository;
use lighter_storage::{Result, Storage};

/// The longest config that is read, in bytes.
const CONFIG_MAX: u64 = 4 * 1024 * 1024;

/// The most rows of the table of layers.
const ROWS_MAX: usize = 500;

/// The most layers of an artifact whose JSON is shown.
const SHOWN_MAX: usize = 3;

/// The annotation that has the name of a file.
const TITLE: &str = "org.opencontainers.image.title";

/// The parts of an image's config that are shown as they are.
const SETTINGS: [(&str, &str); 7] = [
    ("Entrypoint", "Entrypoint"),
    ("Cmd", "Command"),
    ("WorkingDir", "Working directory"),
    ("User", "User"),
    ("StopSignal", "Stop signal"),
    ("Shell", "Shell"),
    ("Healthcheck", "Health check"),
];

/// Writes the layers and the config of a manifest.
pub fn write<S: Storage>(
    html: &mut Html,
    site: &Site,
    repository: &Repository<S>,
    parts: &Parts,
) -> Result<()> {
    let is_image = parts.config.as_ref().is_some_and(|config| is_image_config(&config.media_type));
    let config = match parts.config.as_ref().and_then(|config| config.digest.as_ref()) {
        Some(digest) => repository.blob(digest)?,
        None => None,
    };
    let config = match config.filter(|config| config.size > 2) {
        Some(config) => short(repository, &config, CONFIG_MAX)?,
        None => None,
    };
    const NAMES: &[&str] = &["created", "author", "history", "config"];
    let members = config.as_deref().and_then(|config| Members::read(config, NAMES).ok());
    match members.filter(|_| is_image) {
        Some(members) => {
            let history = members.get_if_valid::<Vec<&RawValue>>("history").unwrap_or_default();
            layers(html, site, repository, parts, &history);
            settings(html, &members, config.as_deref().unwrap_or_default());
        }
        None => {
            layers(html, site, repository, parts, &[]);
            let mut shown = 0;
            for layer in parts.layers.iter().take(ROWS_MAX).map(|json| Part::read(json)) {
                if shown < SHOWN_MAX
                    && let Some(json) = small_json(repository, &layer)?
                {
                    shown += 1;
                    html.raw("<section><h2>Content</h2><p><bdi>").cut(&title(&layer), NAME_SHOWN_MAX);
                    html.raw("</bdi></p>").json(&json).raw("</section>");
                }
            }
            if let Some(config) = config {
                html.raw("<section><details open><summary>Config</summary>").json(&config);
                html.raw("</details></section>");
            }
        }
    }
    Ok(())
}

/// The name of a file, or else its type.
fn title(layer: &Part) -> String {
    layer.annotations.get(TITLE).map_or_else(|| layer.media_type.clone(), |title| text_of(title))
}

/// Writes the table of layers, each with the command that made it, as far as the history of the image says so.
fn layers<S: Storage>(
    html: &mut Html,
    site: &Site,
    repository: &Repository<S>,
    parts: &Parts,
    history: &[&RawValue],
) {
    if parts.layers.is_empty() && history.is_empty() {
        return;
    }
    let is_image = parts.kind.tools == Tools::Image;
    html.raw(if is_image { "<section><h2>Layers</h2>" } else { "<section><h2>Files</h2>" });
    html.raw("<div class=\"wide\"><table><thead><tr><th scope=\"col\">");
    html.raw(if history.is_empty() { "What it is" } else { "Made by" });
    html.raw("</th><th scope=\"col\" class=\"number\">Compressed</th><th scope=\"col\">Digest</th></tr></thead><tbody>");
    let mut left = parts.layers.iter();
    let mut rows = 0;
    for step in history.iter().take(ROWS_MAX) {
        let members = Members::read(step.get(), &["created_by", "comment", "empty_layer"]).ok();
        let text = |name| members.as_ref().and_then(|members| members.get_if_valid::<String>(name));
        let is_empty = members.as_ref().and_then(|members| members.json("empty_layer"));
        let made_by = text("created_by").or_else(|| text("comment")).unwrap_or_default();
        let layer = if is_empty.is_some_and(|json| json.get() == "true") { None } else { left.next() };
        row(html, site, repository, readable(&made_by), layer.map(|json| Part::read(json)));
        rows += 1;
    }
    for layer in left.by_ref().take(ROWS_MAX.saturating_sub(rows)) {
        let layer = Part::read(layer);
        row(html, site, repository, &title(&layer), Some(layer));
    }
    html.raw("</tbody></table></div>");
    let others = left.len() + history.len().saturating_sub(ROWS_MAX);
    if others > 0 {
        html.raw("<p class=\"count\">and ").number(others as u64).raw(" more</p>");
    }
    html.raw("</section>");
}

/// A command of the history, without what builders put around it.
fn readable(made_by: &str) -> &str {
    let made_by = made_by.strip_prefix("/bin/sh -c #(nop) ").unwrap_or(made_by);
    made_by.strip_suffix(" # buildkit").unwrap_or(made_by).trim()
}

fn row<S: Storage>(
    html: &mut Html,
    site: &Site,
    repository: &Repository<S>,
    what: &str,
    layer: Option<Part>,
) {
    html.raw("<tr><td class=\"made\"><code><bdi>")
        .cut(what, VALUE_MAX)
        .raw("</bdi></code></td><td class=\"number\">");
    let Some(layer) = layer else {
        html.raw("</td><td></td></tr>");
        return;
    };
    layer.size.into_iter().for_each(|bytes| units::size(html, bytes));
    html.raw("</td><td>");
    if let Some(digest) = &layer.digest {
        content_link(html, site, repository.name(), digest);
    }
    html.raw("</td></tr>");
}

/// Writes a setting, unless it is empty.
fn pair(html: &mut Html, name: &'static str, value: &str) {
    if !matches!(value, "" | "null" | "[]" | "{}") {
        html.raw("<dt>").raw(name).raw("</dt><dd><code><bdi>").cut(value, VALUE_MAX);
        html.raw("</bdi></code></dd>");
    }
}

/// Writes what the config of an image says.
fn settings(html: &mut Html, members: &Members, config: &str) {
    html.raw("<section><h2>Configuration</h2><dl class=\"pairs\">");
    pair(html, "Platform", &platform(config));
    let text = |name| members.get_if_valid::<String>(name).unwrap_or_default();
    pair(html, "Created", &text("created").replace('T', " "));
    pair(html, "Author", &text("author"));
    const NAMES: &[&str] = &[
        "Entrypoint",
        "Cmd",
        "WorkingDir",
        "User",
        "StopSignal",
        "Shell",
        "Healthcheck",
        "Env",
        "Labels",
        "ExposedPorts",
        "Volumes",
    ];
    let inner = members.json("config").and_then(|config| Members::read(config.get(), NAMES).ok());
    let Some(inner) = inner else {
        html.raw("</dl></section>");
        return;
    };
    for (name, title) in SETTINGS {
        pair(html, title, &inner.json(name).map(text_of).unwrap_or_default());
    }
    for (name, title) in [("ExposedPorts", "Ports"), ("Volumes", "Volumes")] {
        let set = inner.get_if_valid::<Pairs>(name).unwrap_or_default();
        let names: Vec<String> = set.into_keys().take(PAIRS_MAX).collect();
        pair(html, title, &names.join(" "));
    }
    let variables = inner.get_if_valid::<Vec<&RawValue>>("Env").unwrap_or_default();
    if !variables.is_empty() {
        html.raw("<dt>Environment</dt><dd><ul class=\"plain\">");
        for variable in variables.iter().take(PAIRS_MAX) {
            html.raw("<li><code><bdi>").cut(&text_of(variable), VALUE_MAX).raw("</bdi></code></li>");
        }
        html.raw("</ul></dd>");
    }
    html.raw("</dl></section>");
    pairs(html, "Labels", &inner.get_if_valid("Labels").unwrap_or_default());
}
