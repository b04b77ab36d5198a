//! `/v2/_lighter/<command>`: the commands of an operator, for hosts without a command line.
//!
//! A call takes a piece of the walk, in a bounded time. Its answer is what the command line prints with `--json`: an
//! object in each line, of which the last has the sums, and `next`, where the next call goes on with `?from=`.

use crate::access_log::log;
use crate::clock;
use crate::command::options::Options;
use crate::command::output::{Field, Output, json_line};
use crate::command::{COMMON, Command, FROM, Failure, Step};
use crate::endpoint::{Access, Answer, Call, Endpoint, Resource};
use crate::error::{Code, Error, Result, no_such_endpoint};
use crate::http::{Method, Response};
use crate::route::Path;
use lighter_storage::Storage;

impl<S: Storage> Resource<S> {
    /// The commands of an operator, if they are on.
    pub const COMMANDS: Self = Self {
        path: Path::Below("/v2/_lighter", "<command>"),
        endpoints: &[Endpoint {
            methods: &[Method::Post],
            access: Access::Admin,
            answer: Answer::Registry(post),
        }],
    };
}

/// How long a call may take, in seconds, unless it says so itself. Hosted platforms give a request 30.
const SECONDS: u64 = 20;

/// How many bytes an answer may have before a piece is ended. They are held in memory.
const ANSWER: usize = 1 << 20;

/// `POST`: takes a piece of a command's walk.
fn post<S: Storage + 'static>(call: &mut Call<S>) -> Result<Response> {
    if !call.config.commands {
        return Err(no_such_endpoint());
    }
    let unknown = |wrong: String| Error::new(Code::NameUnknown, wrong);
    let command = Command::<S>::find(call.last).map_err(unknown)?;
    let choices = [command.choices, COMMON].concat();
    let options = Options::of_query(command.name, &choices, call.request.query.pairs()).map_err(wrong)?;
    let mut out = Answered::default();
    let step = &mut Step {
        storage: call.storage,
        keeping: &call.config.keeping,
        options: &options,
        from: options.text(FROM.name),
        until: options.until(Some(SECONDS)),
        now: clock::seconds(),
        out: &mut out,
    };
    match command.run(step) {
        Ok(_) => Ok(Response::new(200).with_bytes("application/x-ndjson", out.0.into_bytes())),
        Err(Failure::Place) => Err(wrong("from is not a place that this command has returned".to_owned())),
        Err(Failure::Time(why)) => Err(Error::new(Code::Unavailable, why)),
        Err(Failure::Storage(error)) => Err(error.into()),
    }
}

fn wrong(detail: String) -> Error {
    Error::new(Code::Unsupported, detail).with_status(400)
}

/// The body of an answer.
#[derive(Default)]
struct Answered(String);

impl Output for Answered {
    fn item(&mut self, _text: &str, fields: &[(&'static str, Field)]) {
        self.0.push_str(&json_line(fields));
    }

    /// Nobody sees it: the answer is sent when it is complete.
    fn progress(&mut self, _count: u64, _what: &'static str, _at: &str) {}

    fn trouble(&mut self, text: &str) {
        log(text.to_owned());
    }

    fn is_full(&self) -> bool {
        self.0.len() >= ANSWER
    }
}
