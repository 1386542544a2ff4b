//! A browser without a window that a test drives: Chromium, by its `DevTools` protocol over two pipes
//! (<https://chromedevtools.github.io/devtools-protocol/>, `--remote-debugging-pipe`).
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test fails by panicking; each test program uses some"
)]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Messages that the protocol ends with this byte.
const END: u8 = 0;

/// How long anything may take: a busy machine needs seconds for what takes a tenth of one.
fn patience() -> Duration {
    let times = std::env::var("MEMTRACE_TEST_PATIENCE").ok().and_then(|it| it.parse().ok());
    Duration::from_secs(60) * times.unwrap_or(1)
}

/// A browser with one page.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    session: String,
    last: u64,
    /// What came besides answers.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it, without anything of the user's. Fails the test if it is missing: a test that did not run must
    /// not look like one that did.
    pub fn start() -> Self {
        let version = Command::new("chromium").arg("--version").output();
        assert!(version.is_ok(), "chromium is missing: install it (apt install chromium)");
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // It reads commands from descriptor 3 and writes answers to 4; what it says besides is of no interest.
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", "chromium"]);
        command.args([
            "--headless=new",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--no-sandbox",
        ]);
        // Not all machines let a test have much of /dev/shm.
        command.args(["--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (commands, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, answers) = channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(END) {
                let Ok(message) = message else { return };
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        let (session, events) = (String::new(), Vec::new());
        let mut browser =
            Self { child, commands, answers, session, last: 0, events, _profile: profile };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let page = self.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let wish = json!({ "targetId": page["targetId"], "flatten": true });
        let session = self.ask("Target.attachToTarget", &wish);
        session["sessionId"].as_str().unwrap().clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.ask(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// One command's answer.
    #[track_caller]
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(END);
        self.commands.write_all(&bytes).unwrap();
        let until = Instant::now() + patience();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let answer = self.answers.recv_timeout(left);
            let answer = answer.unwrap_or_else(|why| panic!("{method} had no answer: {why}"));
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Opens a file at a fragment, and waits until it is shown.
    #[track_caller]
    pub fn open(&mut self, file: &Path, fragment: &str) {
        // A page that is open already would only be moved to the fragment.
        self.ask("Page.navigate", &json!({ "url": "about:blank" }));
        let url = format!("file://{}{fragment}", file.display());
        let answer = self.ask("Page.navigate", &json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{answer}");
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'");
    }

    /// What an expression gives in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let wish = json!({ "expression": expression, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", &wish);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    #[track_caller]
    pub fn text(&mut self, id: &str) -> String {
        let text = self.value(&format!("document.getElementById('{id}').textContent"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an expression holds.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let until = Instant::now() + patience();
        while self.value(expression) != true {
            assert!(Instant::now() < until, "{expression} does not come to hold");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key as a person does.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        // The browser's own keys, such as the one that closes a dialog, go by this number (DOM Level 3, keyCode).
        let number = match key {
            "Enter" => 13,
            "Escape" => 27,
            "ArrowRight" => 39,
            _ => 0,
        };
        let mut down = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": number });
        if key.chars().count() == 1 {
            down["text"] = key.into();
        }
        self.ask("Input.dispatchKeyEvent", &down);
        self.ask("Input.dispatchKeyEvent", &json!({ "type": "keyUp", "key": key }));
    }

    /// Moves to a place in the window and, if wanted, clicks.
    #[track_caller]
    pub fn point(&mut self, x: f64, y: f64, click: bool) {
        let mouse =
            |kind| json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
        self.ask("Input.dispatchMouseEvent", &json!({ "type": "mouseMoved", "x": x, "y": y }));
        if click {
            self.ask("Input.dispatchMouseEvent", &mouse("mousePressed"));
            self.ask("Input.dispatchMouseEvent", &mouse("mouseReleased"));
        }
    }

    /// Presses the button at one place and lets it go at another.
    #[track_caller]
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        let mut mouse = |kind, (x, y): (f64, f64), buttons| {
            let button = if buttons == 1 { "left" } else { "none" };
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
            self.ask("Input.dispatchMouseEvent", &event);
        };
        mouse("mouseMoved", from, 0);
        mouse("mousePressed", from, 1);
        mouse("mouseMoved", to, 1);
        let event = json!({
            "type": "mouseReleased", "x": to.0, "y": to.1, "button": "left", "clickCount": 1
        });
        self.ask("Input.dispatchMouseEvent", &event);
    }

    /// Clicks on the middle of what a selector finds first.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        let place = self.value(&format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{ block: 'nearest' }}); \
             const edge = it.getBoundingClientRect(); \
             return [edge.x + edge.width / 2, edge.y + edge.height / 2]; }})()",
            json!(selector)
        ));
        self.point(place[0].as_f64().unwrap(), place[1].as_f64().unwrap(), true);
    }

    /// The size of the window, CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", &size);
    }

    /// As if the user preferred light or dark pages.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// As on paper.
    pub fn print(&mut self) {
        self.ask("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
    }

    /// Keeps a picture of the window below the folder of `MEMTRACE_TEST_PICTURES`, if that is set.
    pub fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("MEMTRACE_TEST_PICTURES").map(PathBuf::from) else {
            return;
        };
        let picture = self.ask("Page.captureScreenshot", &json!({ "format": "png" }));
        let data = picture["data"].as_str().unwrap();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// Fails if the page raised an exception, was refused something by its policy, or asked for anything but
    /// itself.
    #[track_caller]
    pub fn assert_clean(&mut self) {
        // What happened before it was told before it.
        self.value("0");
        for event in &self.events {
            let method = event["method"].as_str().unwrap_or_default();
            assert_ne!(method, "Runtime.exceptionThrown", "{event}");
            assert_ne!(method, "Log.entryAdded", "{event}");
            if method == "Network.requestWillBeSent" {
                let url = event["params"]["request"]["url"].as_str().unwrap();
                assert!(url.starts_with("file://") && url.contains(".html"), "asked for {url}");
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends with its pipe, too; but not at once. Its helpers end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
