//! `/ui/`: the pages.

use super::manifests::reference;
use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::Result;
use crate::http::{Method, Response};
use crate::repository::Repository;
use crate::ui::frame::{self, PICTURE, STYLESHEET};
use crate::ui::{delete, links, manifest, repositories, tags};
use lighter_storage::Storage;

impl<S: Storage> Resource<S> {
    /// The repositories.
    pub const PAGES: Self = Self {
        path: links::HOME,
        endpoints: &[Endpoint { methods: READ, access: Access::Catalog, answer: Answer::Registry(home) }],
    };

    /// The stylesheet of the pages.
    pub const STYLE: Self = Self {
        path: links::STYLE,
        endpoints: &[Endpoint { methods: READ, access: Access::None, answer: Answer::Registry(style) }],
    };

    /// The icon of the pages.
    pub const ICON: Self = Self {
        path: links::ICON,
        endpoints: &[Endpoint { methods: READ, access: Access::None, answer: Answer::Registry(icon) }],
    };

    /// The place where a browser asks for a password.
    pub const LOGIN: Self = Self {
        path: links::LOGIN,
        endpoints: &[Endpoint { methods: READ, access: Access::Login, answer: Answer::Registry(login) }],
    };

    /// The page about a repository.
    pub const PAGE: Self = Self {
        path: links::REPOSITORY,
        endpoints: &[Endpoint {
            methods: READ,
            access: Access::Pull,
            answer: Answer::Repository(repository),
        }],
    };

    /// The page about a tag or content of a repository.
    pub const CONTENT_PAGE: Self = Self {
        path: links::CONTENT,
        endpoints: &[Endpoint { methods: READ, access: Access::Pull, answer: Answer::Repository(content) }],
    };

    /// The page that deletes a tag or a manifest.
    pub const DELETE_PAGE: Self = Self {
        path: links::DELETE,
        endpoints: &[
            Endpoint { methods: READ, access: Access::Delete, answer: Answer::Repository(ask_to_delete) },
            Endpoint {
                methods: &[Method::Post],
                access: Access::Delete,
                answer: Answer::Repository(delete_it),
            },
        ],
    };
}

/// `GET`: the repositories that the caller may pull.
fn home<S: Storage>(call: &mut Call<S>) -> Result<Response> {
    repositories::show(call)
}

fn style<S: Storage>(_: &mut Call<S>) -> Result<Response> {
    Ok(frame::file("text/css", STYLESHEET))
}

fn icon<S: Storage>(_: &mut Call<S>) -> Result<Response> {
    Ok(frame::file("image/svg+xml", PICTURE))
}

/// `GET`: sends the browser back to the list, once it has sent a password.
fn login<S: Storage>(call: &mut Call<S>) -> Result<Response> {
    let links = links::Links { prefix: call.prefix() };
    let home = links.whole(links::HOME);
    Ok(Response::new(303).with_header("Location", home.as_str()).with_header("Cache-Control", "no-store"))
}

/// `GET`: a page of the tags.
fn repository<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    tags::show(repository, call)
}

/// `GET`: a manifest, or a blob.
fn content<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    manifest::show(repository, call, &reference(call.last)?)
}

fn ask_to_delete<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    delete::ask(repository, call, &reference(call.last)?)
}

fn delete_it<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let reference = reference(call.last)?;
    delete::delete(repository, call, &reference)
}
