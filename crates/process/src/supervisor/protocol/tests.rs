use proptest::prelude::*;

use super::*;

fn there_and_back<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
    assert_eq!(&M::parse(&message.words()).expect("its own words"), message);
}

#[test]
fn each_message_comes_back_as_it_was() {
    let hosts = Hosts {
        sites: vec![1..2, 0x40_0000..0x40_0080],
        suspend_seccomp: true,
    };
    for request in [
        Request::Stop {
            deadline: Duration::from_millis(50),
            limit: Duration::MAX,
        },
        Request::LetGo,
        Request::Fork(hosts.clone()),
        Request::EndChild(Hosts::default()),
        Request::Track(hosts),
        Request::Untrack,
    ] {
        let expected = match request.clone() {
            // Half a millennium is as good as for ever.
            Request::Stop { deadline, .. } => Request::Stop {
                deadline,
                limit: Duration::from_nanos(u64::MAX),
            },
            other => other,
        };
        assert_eq!(Request::parse(&request.words()).expect("words"), expected);
    }
    let mut replies = vec![
        Reply::Held {
            since_ns: 7,
            threads: vec![(1, [3; 27]), (2, [u64::MAX; 27])],
        },
        Reply::LetGone {
            since_ns: 1,
            at_ns: 2,
            early: true,
        },
        Reply::Forked {
            child: 9,
            since_ns: 1,
            at_ns: 5,
        },
        Reply::ChildGone {
            reaped: false,
            short: None,
        },
        Reply::ChildGone {
            reaped: true,
            short: Some(7),
        },
        Reply::Tracking,
        Reply::Untracked { longest_ns: 3 },
    ];
    replies.extend(Failure::ALL.map(|why| Reply::Failed { why, errno: -1 }));
    let whys = [
        NotStopped::Slow { tid: 4 },
        NotStopped::Gone,
        NotStopped::Refused,
        NotStopped::List { errno: 13 },
    ];
    let requests = Doing::ALL.map(|doing| NotStopped::Request {
        tid: 4,
        doing,
        errno: 5,
    });
    replies.extend(
        whys.into_iter()
            .chain(requests)
            .map(|why| Reply::NotStopped { why, held_ns: 11 }),
    );
    for reply in &replies {
        there_and_back(reply);
    }
}

#[test]
fn a_long_message_and_a_descriptor_go_through_a_line() {
    let (one, other) = Line::pair().expect("a pair");
    let long = Reply::Held {
        since_ns: 1,
        threads: (0..5_000).map(|tid| (tid, [u64::from(tid); 27])).collect(),
    };
    let sent = long.clone();
    let sender = std::thread::spawn(move || {
        one.send(&sent, Duration::from_secs(10)).expect("send");
        one.send_fd(one.fd()).expect("send a descriptor");
    });
    assert_eq!(
        other
            .receive_within::<Reply>(Duration::from_secs(10))
            .expect("receive"),
        Some(long)
    );
    other.receive_fd().expect("a descriptor");
    sender.join().expect("the sender");
    assert_eq!(
        other
            .receive_within::<Reply>(Duration::from_secs(10))
            .expect("the end"),
        None
    );
}

#[test]
fn who_does_not_read_is_not_waited_for() {
    let (one, _other) = Line::pair().expect("a pair");
    let long = Reply::Held {
        since_ns: 1,
        threads: vec![(1, [0; 27]); 100_000],
    };
    let error = one
        .send(&long, Duration::from_millis(20))
        .expect_err("full");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

proptest! {
    #[test]
    fn no_words_make_it_panic(words in prop::collection::vec(0_u64..40, 0..40)) {
        let _ = Request::parse(&words);
        let _ = Reply::parse(&words);
    }
}
