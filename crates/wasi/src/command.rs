//! The commands of an operator, on a command line: `wasmtime run` calls the same component that serves.

use wasi::cli::environment::get_arguments;
use wasi::cli::exit::exit_with_code;
use wasi::cli::stderr::get_stderr;
use wasi::cli::stdout::get_stdout;
use wasi::cli::terminal_stderr::get_terminal_stderr;
use wasi::cli::terminal_stdout::get_terminal_stdout;
use wasi::io::streams::OutputStream;

use crate::body::describe;
use crate::handler::Handler;
use crate::response::Out;
use lighter::clock;
use lighter::command::console::Console;
use lighter::command::{Exit, main};
use lighter_storage::{Open, Sink as _};

impl<S: Open> Handler<S> {
    /// Runs the command that the arguments name, on the storage of the registry.
    #[allow(
        clippy::missing_errors_doc,
        clippy::result_unit_err,
        reason = "this is what WASI's `run` returns"
    )]
    pub fn run(&self) -> Result<(), ()> {
        let words = get_arguments();
        let words = words.split_first().map_or(&[][..], |(_, words)| words);
        match main(words, || self.storage(), clock::seconds(), &mut Streams) {
            Exit::Fine => Ok(()),
            exit => {
                exit_with_code(exit as u8);
                Err(())
            }
        }
    }
}

/// The standard streams of the component.
struct Streams;

impl Console for Streams {
    fn print(&mut self, text: &str) -> bool {
        put(&get_stdout(), text).is_ok()
    }

    fn error(&mut self, text: &str) {
        // There is nowhere left to report it.
        let _ = put(&get_stderr(), text);
    }

    fn is_terminal(&self) -> [bool; 2] {
        [get_terminal_stdout().is_some(), get_terminal_stderr().is_some()]
    }
}

fn put(stream: &OutputStream, text: &str) -> Result<(), String> {
    Out(stream).write(text.as_bytes())?;
    stream.blocking_flush().map_err(describe)
}

/// Exports the commands of a [`Handler`], by the name of its `static`.
#[macro_export]
macro_rules! export_command {
    ($handler:ident) => {
        #[allow(unsafe_code, reason = "what exports the commands is generated")]
        const _: () = {
            use $crate::wasi::exports::cli::run::Guest;

            struct Component;

            impl Guest for Component {
                fn run() -> Result<(), ()> {
                    $handler.run()
                }
            }

            $crate::wasi::cli::command::export! { Component with_types_in $crate::wasi }
        };
    };
}
