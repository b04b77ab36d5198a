//! Chromium, driven by its DevTools protocol over two pipes.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::skip::installed;

/// How long an answer or an event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one tab.
pub(crate) struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    number: u64,
    /// The events that were not waited for, such as requests and what the console says.
    pub(crate) events: Vec<Value>,
    /// The name and the password that the user types where one is asked for.
    pub(crate) login: Option<(String, String)>,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser, or notes that the test is skipped.
    pub(crate) fn start() -> Option<Self> {
        let program = env::var("LIGHTER_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        if !installed(&program) {
            return None;
        }
        let profile = TempDir::new().expect("a directory for the profile");
        // It reads commands from descriptor 3, and writes to 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", &program])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-dev-shm-usage",
            ])
            .args(["--remote-debugging-pipe", "--window-size=1000,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let (sender, messages) = channel();
        let mut from = BufReader::new(process.stdout.take().expect("a pipe"));
        thread::spawn(move || {
            let mut message = Vec::new();
            while from.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let commands = process.stdin.take().expect("a pipe");
        let (session, events, login) = (None, Vec::new(), None);
        let mut browser =
            Self { process, commands, messages, session, number: 0, events, login, _profile: profile };
        let tab = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": tab["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        let number = self.post(method, parameters);
        let answer = self.wait(|message| message["id"] == number);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn post(&mut self, method: &str, parameters: Value) -> u64 {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).expect("a browser that listens");
        self.number
    }

    /// Waits for a message, and keeps the events that come before it.
    fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).expect("an answer of the browser");
            self.react(&message);
            if wanted(&message) {
                return message;
            }
            self.events.push(message);
        }
    }

    /// Does what a user does when a password is asked for.
    fn react(&mut self, message: &Value) {
        let request = message["params"]["requestId"].clone();
        match message["method"].as_str() {
            Some("Fetch.requestPaused") => {
                self.post("Fetch.continueRequest", json!({ "requestId": request }));
            }
            Some("Fetch.authRequired") => {
                let response = match self.login.take() {
                    Some((name, password)) => {
                        json!({ "response": "ProvideCredentials", "username": name, "password": password })
                    }
                    None => json!({ "response": "CancelAuth" }),
                };
                let answer = json!({ "requestId": request, "authChallengeResponse": response });
                self.post("Fetch.continueWithAuth", answer);
            }
            Some("Page.javascriptDialogOpening") => panic!("a script has run: {message}"),
            _ => {}
        }
    }

    fn loaded(&mut self) {
        self.wait(|message| message["method"] == "Page.loadEventFired");
    }

    /// Opens a page.
    pub(crate) fn open(&mut self, url: &str) {
        self.post("Page.navigate", json!({ "url": url }));
        self.loaded();
    }

    /// Opens a page that leads to another one, and waits for that.
    pub(crate) fn open_through(&mut self, url: &str, to: &str) {
        self.post("Page.navigate", json!({ "url": url }));
        self.wait(|message| {
            message["method"] == "Page.frameNavigated" && message["params"]["frame"]["url"] == to
        });
        self.loaded();
    }

    /// The value of an expression.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", parameters);
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// The path and the query of the page.
    pub(crate) fn place(&mut self) -> String {
        self.eval("location.pathname + location.search").as_str().expect("a path").to_owned()
    }

    /// The text that one sees.
    pub(crate) fn text(&mut self) -> String {
        self.eval("document.body.innerText").as_str().expect("a text").to_owned()
    }

    /// Clicks on the first element of a selector that has a text, and waits for the page behind it.
    pub(crate) fn follow(&mut self, selector: &str, text: &str) {
        let place = self.eval(&format!(
            "(() => {{ const e = [...document.querySelectorAll({selector:?})].find(e => e.innerText.includes({text:?}));
               e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();
               return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.post("Input.dispatchMouseEvent", event);
        }
        self.loaded();
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types into what has the focus, presses Enter, and waits for the next page.
    pub(crate) fn enter(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
        self.post("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" }));
        self.loaded();
    }

    /// Shows pages in a window of this width, and light or dark.
    pub(crate) fn look(&mut self, width: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Stores a picture of the whole page.
    pub(crate) fn picture(&mut self, path: &Path) {
        let taken = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let bytes = STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("base64");
        fs::write(path, bytes).expect("a file");
    }

    /// Fails if the console said anything, or if anything was asked for from elsewhere.
    pub(crate) fn check_quiet(&mut self, own: &str) {
        for event in self.events.drain(..) {
            let method = event["method"].as_str().unwrap_or_default();
            let loud = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"];
            assert!(!loud.contains(&method), "{event}");
            if method == "Network.requestWillBeSent" {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                assert!(url.starts_with(own), "{url} is asked for");
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        // It ends its own helpers then.
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
