//! One client: a request, an answer.

use super::Order;
use crate::control::{Answer, LONGEST_REQUEST, Request, line};
use std::io;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Hears a request and answers it. There is so much time for sending the request, and again for taking the
/// answer: whoever is slower, or goes, gets none.
pub(super) async fn talk(stream: &UnixStream, orders: &mpsc::Sender<Order>, patience: Duration) {
    let answer = match timeout(patience, hear(stream)).await {
        Ok(Ok(request)) => match Request::read(&request) {
            Ok(request) => ask(request, orders).await,
            Err(message) => Answer::Error { message },
        },
        Ok(Err(Unheard::Gone)) => return,
        Ok(Err(Unheard::TooLong)) => {
            let message = format!("a request has at most {LONGEST_REQUEST} bytes");
            Answer::Error { message }
        }
        Err(_) => {
            let message = format!("no request came within {} ms", patience.as_millis());
            Answer::Error { message }
        }
    };
    // Whoever does not take it does not want it.
    let _ = timeout(patience, say(stream, &line(&answer))).await;
}

async fn ask(request: Request, orders: &mpsc::Sender<Order>) -> Answer {
    let (reply, answer) = oneshot::channel();
    if orders.send(Order { request, reply }).await.is_ok()
        && let Ok(answer) = answer.await
    {
        return answer;
    }
    Answer::Error { message: "tracing is ending".to_owned() }
}

/// Why there is no request.
#[derive(Debug, PartialEq, Eq)]
enum Unheard {
    /// The client has closed the connection, or it is broken.
    Gone,
    /// The line has no end.
    TooLong,
}

/// The first line, without its end.
async fn hear(stream: &UnixStream) -> Result<Vec<u8>, Unheard> {
    let mut heard = Vec::new();
    let mut part = [0; LONGEST_REQUEST];
    loop {
        stream.readable().await.map_err(|_| Unheard::Gone)?;
        match stream.try_read(&mut part) {
            Ok(0) => return Err(Unheard::Gone),
            Ok(count) => heard.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Unheard::Gone),
        }
        let end = heard.iter().take(LONGEST_REQUEST).position(|byte| *byte == b'\n');
        if let Some(end) = end {
            heard.truncate(end);
            return Ok(heard);
        }
        if heard.len() >= LONGEST_REQUEST {
            return Err(Unheard::TooLong);
        }
    }
}

async fn say(stream: &UnixStream, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        stream.writable().await?;
        match stream.try_write(line) {
            Ok(count) => line = line.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::talk;
    use crate::control::{Answer, LONGEST_REQUEST, Request};
    use crate::daemon::control::Order;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream as Plain;
    use std::time::Duration;
    use tokio::net::UnixStream;
    use tokio::sync::mpsc;
    use tokio::task::yield_now;

    const PATIENCE: Duration = Duration::from_millis(200);

    /// What is answered to `said`; the tracer itself answers that it makes a report, if it is there.
    async fn answer(said: &[u8], is_there: bool) -> (String, Vec<Request>) {
        let (mut client, server) = Plain::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = UnixStream::from_std(server).unwrap();
        let (sender, mut orders) = mpsc::channel::<Order>(1);
        if !is_there {
            orders.close();
        }
        client.write_all(said).unwrap();
        let tracer = tokio::spawn(async move {
            let mut heard = Vec::new();
            while let Some(order) = orders.recv().await {
                heard.push(order.request);
                let _ = order.reply.send(Answer::Reporting);
            }
            heard
        });
        talk(&server, &sender, PATIENCE).await;
        drop((server, sender));
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        (answer, tracer.await.unwrap())
    }

    #[tokio::test]
    async fn a_request_is_passed_on_and_answered() {
        let (said, heard) = answer(b"{\"request\":\"report\"}\nmore", true).await;
        assert_eq!(said, "{\"answer\":\"reporting\"}\n");
        assert_eq!(heard, [Request::Report]);
    }

    #[tokio::test]
    async fn what_is_no_request_reaches_nobody() {
        let long = vec![b'x'; LONGEST_REQUEST];
        for (said, reason) in [
            (&b"hello\n"[..], "not understood"),
            (b"\n", "not understood"),
            (b"\xff\xfe\n", "not understood"),
            (&long, "at most 4096 bytes"),
            // A line that never ends.
            (b"{\"request\":", "within 200 ms"),
            (b"", "within 200 ms"),
        ] {
            let (told, heard) = answer(said, true).await;
            assert!(told.contains(reason), "{told}");
            assert_eq!(heard, []);
        }
    }

    #[tokio::test]
    async fn who_asks_at_the_end_is_told_so() {
        let (said, heard) = answer(b"{\"request\":\"status\"}\n", false).await;
        assert!(said.contains("tracing is ending"), "{said}");
        assert_eq!(heard, []);
    }

    #[tokio::test]
    async fn who_goes_or_takes_nothing_does_no_harm() {
        let (sender, _orders) = mpsc::channel::<Order>(1);
        let (client, server) = Plain::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = UnixStream::from_std(server).unwrap();
        drop(client);
        talk(&server, &sender, PATIENCE).await;
        // One whose buffer is full, and who reads nothing.
        let (client, server) = Plain::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = UnixStream::from_std(server).unwrap();
        while server.try_write(&[b'x'; 4096]).is_ok() {
            yield_now().await;
        }
        (&client).write_all(b"nonsense\n").unwrap();
        talk(&server, &sender, PATIENCE).await;
    }
}
