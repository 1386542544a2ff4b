//! Asks a tracer.

use super::place::{knock, sockets};
use super::protocol::{Answer, LONGEST_ANSWER, Request, line};
use super::{ControlError, socket_of};
use crate::model::ids::Pid;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A tracer that has not answered by then is taken for one that does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket of the tracer with this pid, or of the only one.
///
/// # Errors
/// When there is none, or there are several; the message says which.
pub fn find(folder: &Path, pid: Option<Pid>) -> Result<PathBuf, ControlError> {
    let all = match sockets(folder) {
        Ok(all) => all,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(ControlError::Folder { folder: folder.to_owned(), source }),
    };
    let listens = |path: &Path| {
        // One that is stopped is there, and its queue may be full.
        !matches!(knock(path), Err(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound))
    };
    let pids: Vec<Pid> = all.iter().filter(|it| listens(&it.1)).map(|it| it.0).collect();
    match (pid, pids.as_slice()) {
        (_, []) => Err(ControlError::NoTracer(folder.to_owned())),
        (Some(pid), pids) if pids.contains(&pid) => Ok(socket_of(folder, pid)),
        (Some(pid), _) => Err(ControlError::NotThat { pid, others: pids }),
        (None, [pid]) => Ok(socket_of(folder, *pid)),
        (None, _) => Err(ControlError::Several(pids)),
    }
}

/// Asks the tracer at this socket, and waits for what it says.
///
/// # Errors
/// When it cannot be reached, says nothing, or says why it did nothing.
pub fn ask(path: &Path, request: &Request) -> Result<Answer, ControlError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ControlError::Silent(path.into()),
        _ => ControlError::Reach { path: path.to_owned(), source },
    };
    let socket = knock(path).map_err(|kind| failed(kind.into()))?;
    let mut stream = UnixStream::from(socket);
    let deadline = Instant::now() + PATIENCE;
    stream.set_nonblocking(false).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    // It may have said why not already, and have closed.
    let sent = stream.write_all(&line(request));
    let said = read_line(&mut stream, deadline).map_err(failed)?;
    match serde_json::from_slice(&said) {
        Ok(Answer::Error { message }) => Err(ControlError::Refused(message)),
        Ok(answer) => Ok(answer),
        Err(_) => {
            sent.map_err(failed)?;
            Err(ControlError::Strange(path.to_owned()))
        }
    }
}

/// What comes until the end of a line or of the stream, or until it is too much.
fn read_line(stream: &mut UnixStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut part = [0; 4096];
    while said.len() < LONGEST_ANSWER && !said.contains(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => said.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // It was closed before it had read everything (`unix(7)`).
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error),
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::{ask, find};
    use crate::control::{Answer, ControlError, Request, socket_of};
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::thread::{self, JoinHandle};

    /// Somebody who says `answer` to whoever asks first, and gives the question.
    fn says(path: &Path, answer: &'static str) -> JoinHandle<String> {
        let listener = UnixListener::bind(path).unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut question = String::new();
            let mut input = BufReader::new(stream);
            input.read_line(&mut question).unwrap();
            input.into_inner().write_all(answer.as_bytes()).unwrap();
            question
        })
    }

    #[test]
    fn an_answer_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let path = socket_of(folder.path(), 7);
        let tracer = says(&path, "{\"answer\":\"reporting\"}\n");
        assert_eq!(ask(&path, &Request::Report).unwrap(), Answer::Reporting);
        assert_eq!(tracer.join().unwrap(), "{\"request\":\"report\"}\n");
        assert!(matches!(ask(&path, &Request::Report), Err(ControlError::Reach { .. })));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for (number, answer) in [(1, ""), (2, "hello\n"), (3, "{\"answer\":\"other\"}\n")] {
            let path = socket_of(folder.path(), number);
            let tracer = says(&path, answer);
            assert!(matches!(ask(&path, &Request::Status), Err(ControlError::Strange(_))));
            tracer.join().unwrap();
        }
        let path = socket_of(folder.path(), 4);
        let tracer = says(&path, "{\"answer\":\"error\",\"message\":\"no\"}\n");
        assert_eq!(ask(&path, &Request::Status).unwrap_err().to_string(), "the tracer says: no");
        tracer.join().unwrap();
    }

    #[test]
    fn the_only_tracer_is_found_and_several_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let find = |pid| find(folder.path(), pid);
        assert!(matches!(find(None), Err(ControlError::NoTracer(_))));
        drop(UnixListener::bind(socket_of(folder.path(), 5)).unwrap());
        assert!(matches!(find(Some(5)), Err(ControlError::NoTracer(_))), "nobody listens");
        let _one = UnixListener::bind(socket_of(folder.path(), 31)).unwrap();
        assert_eq!(find(None).unwrap(), socket_of(folder.path(), 31));
        let _other = UnixListener::bind(socket_of(folder.path(), 4)).unwrap();
        assert!(find(None).unwrap_err().to_string().ends_with("which are pid 4, pid 31"));
        assert_eq!(find(Some(31)).unwrap(), socket_of(folder.path(), 31));
        assert!(matches!(find(Some(5)), Err(ControlError::NotThat { pid: 5, .. })));
        let nowhere = folder.path().join("nowhere");
        assert!(matches!(super::find(&nowhere, None), Err(ControlError::NoTracer(_))));
    }
}
