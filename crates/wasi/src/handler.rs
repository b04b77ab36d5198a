//! `wasi:http/incoming-handler`: takes a request, and sends its response.

use std::sync::OnceLock;
use std::time::Instant;

use wasi::http::types::{IncomingRequest, ResponseOutparam};

use crate::body::{Incoming, method, receive};
use crate::environment::Source;
use crate::fetch::Outgoing;
use crate::response::send;
use lighter::access_log::log;
use lighter::auth::TokenServer;
use lighter::config::{Format, Keeping};
use lighter::registry::{Registry, misconfigured, settings};
use lighter_storage::Open;

/// A handler of requests, with a registry over a storage. A component has it in a `static`, because an instance answers
/// many requests.
pub struct Handler<S: Open + 'static> {
    environment: Source,
    token_server: Option<TokenServer>,
    registry: OnceLock<Result<Registry<'static, S>, String>>,
}

impl<S: Open> Handler<S> {
    /// Makes a handler. The first request opens the registry.
    pub const fn new(environment: Source) -> Self {
        Self { environment, token_server: None, registry: OnceLock::new() }
    }

    /// Also accepts the tokens of an outside server, if the settings ask for it.
    #[must_use]
    pub const fn with_token_server(mut self, server: TokenServer) -> Self {
        self.token_server = Some(server);
        self
    }

    /// Opens the storage as the registry would, and reads what is kept in it.
    pub(crate) fn storage(&self) -> Result<(S, Keeping), String> {
        let settings = settings::<S>((self.environment)()?, self.token_server.as_ref())?;
        Ok((S::open(&settings)?, Keeping::read(&settings, &mut Vec::new())?))
    }

    /// Answers a request.
    pub fn handle(&self, request: IncomingRequest, out: ResponseOutparam) {
        let start = Instant::now();
        let open = || Registry::open((self.environment)()?, self.token_server.as_ref(), &Outgoing);
        let registry = self.registry.get_or_init(open);
        let method = method(&request);
        let mut body = Incoming::of(&request, &method);
        let request = receive(&request, method, &mut body);
        let (format, (response, mut entry)) = match registry {
            Ok(registry) => (registry.config().access_log, registry.handle(request)),
            Err(reason) => (Some(Format::Text), misconfigured(reason, request)),
        };
        if let Err(broken) = send(response, out) {
            // The client has disconnected, or the content could not be read. The client sees a broken answer.
            entry.error = Some(broken);
        }
        body.drain();
        let has_started_upload = entry.has_started_upload();
        // Errors are logged even if requests are not.
        if let Some(format) = format.or(entry.error.is_some().then_some(Format::Text)) {
            log(entry.line(format, start.elapsed()));
        }
        if let Ok(registry) = registry
            && (has_started_upload || registry.has_kept())
        {
            registry.purge().into_iter().for_each(log);
        }
    }
}

/// Exports a [`Handler`], by the name of its `static`.
#[macro_export]
macro_rules! export_handler {
    ($handler:ident) => {
        #[allow(unsafe_code, reason = "what exports the handler is generated")]
        const _: () = {
            use $crate::wasi::exports::http::incoming_handler::Guest;
            use $crate::wasi::http::types::{IncomingRequest, ResponseOutparam};

            struct Component;

            impl Guest for Component {
                fn handle(request: IncomingRequest, out: ResponseOutparam) {
                    $handler.handle(request, out);
                }
            }

            $crate::wasi::http::proxy::export! { Component with_types_in $crate::wasi }
        };
    };
}
