//! A headless Chromium, driven by WebDriver: what a person sees, does and is told.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use serde_json::{Value, json};

use super::needs;

/// The name under which WebDriver gives an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser of its own; it ends when dropped.
pub struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
}

impl Browser {
    /// Starts one; `None`, saying so, where there is none to start.
    pub fn start() -> Option<Self> {
        let Some(program) = found(&["chromedriver"]) else {
            needs::skip("chromium", "there is no chromedriver in PATH");
            return None;
        };
        let Some(browser) = found(&["chromium", "chromium-browser", "google-chrome"]) else {
            needs::skip("chromium", "there is no chromium in PATH");
            return None;
        };
        let mut driver =
            Command::new(program).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok());
        let port = port.expect("chromedriver says its port");
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut started = Self { driver, session: format!("http://127.0.0.1:{port}/session"), agent };
        // The sandbox needs rights that containers do not give; the pages are our own.
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--mute-audio",
            "--force-color-profile=srgb",
        ];
        let options = json!({ "binary": browser, "args": args });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } } } });
        let session = started.call("", &wanted);
        started.session = format!("{}/{}", started.session, session["sessionId"].as_str().expect("a session"));
        Some(started)
    }

    /// Opens a file with a window of this width and height, on dark paper or on light.
    pub fn open(&self, page: &Path, size: (u32, u32), dark: bool) {
        self.open_at(&format!("file://{}", page.canonicalize().unwrap().display()), size, dark);
    }

    /// Opens an address in such a window.
    pub fn open_at(&self, address: &str, (width, height): (u32, u32), dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
        self.call("url", &json!({ "url": address }));
        // Two frames: what watches for its own width has drawn by then.
        self.run_async("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(1)));");
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.call("execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn run_async(&self, script: &str) -> Value {
        self.call("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a script returns something true, and gives it.
    #[track_caller]
    pub fn until(&self, script: &str) -> Value {
        for _ in 0..600 {
            let said = self.run(script);
            if said.as_bool() != Some(false) && !said.is_null() {
                return said;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("it did not come about: {script}");
    }

    /// The text of every element that a selector finds, as it is seen.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let script =
            format!("return [...document.querySelectorAll({selector:?})].map((node) => node.innerText.trim())");
        self.run(&script).as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// Clicks on the first element that a selector finds, as a pointer does.
    pub fn click(&self, selector: &str) {
        self.call(&format!("element/{}/click", self.element(selector)), &json!({}));
    }

    /// Types into the first element that a selector finds.
    pub fn keys(&self, selector: &str, keys: &str) {
        self.call(&format!("element/{}/value", self.element(selector)), &json!({ "text": keys }));
    }

    /// Presses keys where the focus is.
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        self.call("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Moves the pointer to a place within the first element that a selector finds, counted from its middle.
    pub fn point(&self, selector: &str, x: i64, y: i64) {
        let origin = json!({ ELEMENT: self.element(selector) });
        let moves = json!([{ "type": "pointerMove", "duration": 0, "origin": origin, "x": x, "y": y }]);
        self.call("actions", &json!({ "actions": [{ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": moves }] }));
    }

    /// What the browser complained of since it was asked last: errors of scripts, and what a page's policy refused.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.call("se/log", &json!({ "type": "browser" }));
        entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Writes a picture of the page, from its top to `height` pixels or to its end.
    pub fn picture(&self, file: &Path, height: Option<u64>) {
        let size = self.run("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]");
        let height = height.unwrap_or(size[1].as_u64().unwrap());
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": height, "scale": 1 });
        let shot = self.devtools(
            "Page.captureScreenshot",
            &json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }),
        );
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    fn element(&self, selector: &str) -> String {
        let found = self.call("element", &json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.call("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    #[track_caller]
    fn call(&self, what: &str, body: &Value) -> Value {
        let address = if what.is_empty() { self.session.clone() } else { format!("{}/{what}", self.session) };
        let request = self.agent.post(&address).header("Content-Type", "application/json");
        let text =
            request.send(body.to_string()).unwrap().body_mut().with_config().limit(1 << 28).read_to_string().unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(answer["value"]["error"].is_null(), "{what} {body}: {}", answer["value"]);
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn found(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}
