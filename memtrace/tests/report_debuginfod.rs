//! Debug information from servers: what comes gives names, what does not come, or is not what was
//! asked for, does no harm and takes a bounded time and room. The servers are threads of the test.
#![cfg(feature = "debuginfod")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use memtrace::engine::ports::Symbolizer as _;
use memtrace::model::ids::ModuleId;
use memtrace::model::module::{BuildId, Module};
use memtrace::symbolize::debuginfod::{Debuginfod, Settings};
use memtrace::symbolize::{BlazeSymbolizer, DebugFiles as _};
use object::{Object as _, ObjectSymbol as _};
use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// A stripped library, its debug information apart, and a place in its only function.
struct Library {
    folder: tempfile::TempDir,
    module: Module,
    offset: u64,
}

impl Library {
    fn build(number: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = format!(
            "static volatile int global;\n__attribute__((visibility(\"hidden\"), used)) int \
             find_me(void) {{\n  return global + {number};\n}}\n"
        );
        fs::write(folder.path().join("library.c"), source).unwrap();
        let script = "gcc -g -O1 -fPIC -shared -nostdlib -Wl,--build-id -o library library.c \
            && objcopy --only-keep-debug library debug && cp library whole && strip -s library";
        let done = Command::new("sh").args(["-ec", script]).current_dir(folder.path()).status();
        assert!(done.unwrap().success());
        let whole = fs::read(folder.path().join("whole")).unwrap();
        let file = object::File::parse(&*whole).unwrap();
        let build_id = BuildId::new(file.build_id().unwrap().unwrap());
        // Linked so, code's addresses are its offsets.
        let offset = file.symbols().find(|it| it.name() == Ok("find_me")).unwrap().address() + 3;
        let module = Module { id: ModuleId(1), path: PathBuf::from("/lib"), build_id };
        Self { folder, module, offset }
    }

    fn build_id(&self) -> &BuildId {
        self.module.build_id.as_ref().unwrap()
    }

    fn debug_file(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("debug")).unwrap()
    }

    fn symbolizer(&self, servers: Debuginfod) -> BlazeSymbolizer {
        let mut symbolizer = BlazeSymbolizer::with_debug_dirs(vec![]);
        symbolizer.set_elsewhere(Box::new(servers));
        symbolizer.register(self.module.id, self.folder.path().join("library"));
        symbolizer
    }

    /// Function and line, as far as they are known.
    fn name(&self, symbolizer: &mut BlazeSymbolizer) -> (Option<String>, Option<u32>) {
        let [answer] = symbolizer.resolve(&self.module, &[self.offset]).try_into().unwrap();
        let frame = answer.ok().map(|frames| frames[0].clone());
        (frame.as_ref().map(|frame| frame.function.clone()), frame.and_then(|frame| frame.line))
    }
}

/// A server that answers each connection by `answer`; gives its address and the paths asked for.
fn serve(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, paths) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            // Not HTTP, but TLS.
            let Some(Ok(first)) = lines.next() else { continue };
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let path = first.split(' ').nth(1).unwrap().to_owned();
            if sender.send(path).is_err() {
                break;
            }
            answer(&mut stream);
        }
    });
    (address, paths)
}

/// A server that sends `body`.
fn serve_file(body: Vec<u8>) -> (String, Receiver<String>) {
    serve(move |stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    })
}

fn serve_nothing() -> (String, Receiver<String>) {
    serve(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    })
}

fn settings(folder: &tempfile::TempDir, urls: &[&str]) -> Settings {
    Settings {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        cache: folder.path().join("cache"),
        patience: Duration::from_secs(60),
        max_time: Duration::from_secs(60),
        max_size: 1 << 20,
    }
}

/// Names that lie in the cache, but for the folders.
fn kept(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.path().join("cache")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn what_comes_gives_names_to_later_reports_and_to_later_runs() {
    let (library, folder) = (Library::build(1), tempfile::tempdir().unwrap());
    let (absent, asked_first) = serve_nothing();
    let (server, asked) = serve_file(library.debug_file());
    let settings = settings(&folder, &[&absent, &server]);
    let mut symbolizer = library.symbolizer(Debuginfod::start(settings.clone()).unwrap());
    // The first report does not wait, and nothing is named in it.
    assert_eq!(library.name(&mut symbolizer), (None, None));
    assert!(symbolizer.await_names());
    assert_eq!(library.name(&mut symbolizer), (Some("find_me".to_owned()), Some(3)));
    assert!(!symbolizer.await_names(), "nothing is on the way any more");
    let path = format!("/buildid/{}/debuginfo", library.build_id());
    assert_eq!(asked_first.try_iter().collect::<Vec<_>>(), std::slice::from_ref(&path));
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [path]);
    let place = folder.path().join(format!("cache/{}/debuginfo", library.build_id()));
    assert_eq!(kept(&folder), [place]);

    let mut again = library.symbolizer(Debuginfod::start(settings).unwrap());
    assert_eq!(library.name(&mut again), (Some("find_me".to_owned()), Some(3)));
    assert_eq!(asked.try_iter().count(), 0, "it was kept");
}

#[test]
fn a_server_that_does_not_speak_tls_is_no_server() {
    let (server, _asked) = serve_file(b"plain".to_vec());
    comes_to_nothing(&server.replace("http:", "https:"), |_| ());
}

/// What `server` sends gives no names and leaves nothing behind, and is asked for once.
#[track_caller]
fn comes_to_nothing(server: &str, change: impl FnOnce(&mut Settings)) -> Duration {
    let (library, folder) = (Library::build(2), tempfile::tempdir().unwrap());
    let mut settings = settings(&folder, &[server]);
    change(&mut settings);
    let mut symbolizer = library.symbolizer(Debuginfod::start(settings).unwrap());
    let begin = Instant::now();
    assert_eq!(library.name(&mut symbolizer), (None, None));
    assert!(!symbolizer.await_names());
    let time = begin.elapsed();
    assert_eq!(library.name(&mut symbolizer), (None, None));
    assert!(!symbolizer.await_names(), "it is not asked for again");
    time
}

#[test]
fn a_file_that_no_server_has_is_asked_for_once() {
    let (server, asked) = serve_nothing();
    comes_to_nothing(&server, |_| ());
    assert_eq!(asked.try_iter().count(), 1);
}

#[test]
fn a_file_with_another_build_id_is_not_kept() {
    let other = Library::build(3).debug_file();
    let folder = tempfile::tempdir().unwrap();
    let (server, _asked) = serve_file(other);
    comes_to_nothing(&server, |settings| settings.cache = folder.path().join("cache"));
    assert_eq!(kept(&folder), [] as [PathBuf; 0]);
    let (server, _asked) = serve_file(b"<html>not here</html>".to_vec());
    comes_to_nothing(&server, |settings| settings.cache = folder.path().join("cache"));
    assert_eq!(kept(&folder), [] as [PathBuf; 0]);
}

#[test]
fn endless_files_are_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    // One announces its size, one does not end.
    let (announced, _asked) = serve(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
    });
    let (endless, _asked) = serve(|stream| {
        let head = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while head.is_ok() && stream.write_all(&[0; 4096]).is_ok() {}
    });
    for server in [announced, endless] {
        comes_to_nothing(&server, |settings| settings.cache = folder.path().join("cache"));
        assert_eq!(kept(&folder), [] as [PathBuf; 0]);
    }
}

#[test]
fn a_silent_server_is_not_waited_for_longer_than_was_said() {
    let (hold, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let (server, asked) = serve(move |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1");
        // Until the test is over.
        let _ = held.lock().unwrap().recv();
    });
    let patience = Duration::from_millis(300);
    let time = comes_to_nothing(&server, |settings| settings.patience = patience);
    assert!(time >= patience, "it did wait: {time:?}");
    assert!(asked.try_iter().count() >= 1);
    drop(hold);
}

#[test]
fn who_looks_for_a_file_does_not_wait() {
    let (library, folder) = (Library::build(4), tempfile::tempdir().unwrap());
    let (open, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let body = library.debug_file();
    let (server, _asked) = serve(move |stream| {
        gate.lock().unwrap().recv().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    });
    let mut servers = Debuginfod::start(settings(&folder, &[&server])).unwrap();
    // Were one of these to wait for the server, it would wait for the test, and so for ever.
    for _ in 0..100 {
        assert!(servers.find(library.build_id()).is_none() && !servers.take_arrived());
    }
    open.send(()).unwrap();
    assert!(servers.wait() && servers.take_arrived() && !servers.take_arrived());
    assert!(servers.find(library.build_id()).is_some());
}
