//! Traffic that notices if a swap loses, repeats or reorders messages.

use super::{Client, Host, connect};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

/// Clients that talk to `heir` all the while, and check every answer.
pub(crate) struct Traffic {
    talking: Vec<JoinHandle<usize>>,
    over: Arc<AtomicBool>,
}

impl Traffic {
    /// Connects the clients and has them talk.
    pub(crate) async fn start(host: &Host, clients: usize) -> Traffic {
        let over = Arc::new(AtomicBool::new(false));
        let mut talking = Vec::new();
        for number in 0..clients {
            let client = connect(host, "/").await;
            let prefix = if number % 2 == 0 { "job" } else { "text" };
            talking.push(tokio::spawn(talk(client, prefix, Arc::clone(&over))));
        }
        Traffic { talking, over }
    }

    /// Ends it, and returns how many messages went there and back.
    pub(crate) async fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for client in self.talking {
            answered += client.await.expect("every answer is there, once, and in order");
        }
        answered
    }
}

/// Keeps four numbered texts under way, until it is over.
async fn talk(mut client: Client, prefix: &str, over: Arc<AtomicBool>) -> usize {
    const IN_FLIGHT: usize = 4;
    let (mut asked, mut answered) = (0, 0);
    loop {
        while asked < answered + IN_FLIGHT && !over.load(Ordering::Relaxed) {
            client.send(Message::text(format!("{prefix} {asked}"))).await.expect("the connection takes messages");
            asked += 1;
        }
        if asked == answered {
            return answered;
        }
        let answer = client.next().await.expect("the connection is open").expect("a message");
        let expected = format!(" {answered} {prefix} {answered}");
        assert!(answer.to_text().expect("a text").ends_with(&expected), "{answer:?} instead of {expected}");
        answered += 1;
    }
}
