use super::*;
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut parser = Parser::default();
    parser.feed(bytes, &mut events);
    parser.give_up(&mut events);
    events
}

fn plain(code: KeyCode) -> Event {
    key(code, KeyModifiers::NONE)
}

#[test]
fn keys_that_terminals_send() {
    let cases: &[(&[u8], Event)] = &[
        (b"a", plain(KeyCode::Char('a'))),
        (b"G", key(KeyCode::Char('G'), KeyModifiers::SHIFT)),
        ("é".as_bytes(), plain(KeyCode::Char('é'))),
        ("漢".as_bytes(), plain(KeyCode::Char('漢'))),
        (b"\r", plain(KeyCode::Enter)),
        (b"\t", plain(KeyCode::Tab)),
        (b"\x7f", plain(KeyCode::Backspace)),
        (b"\x08", key(KeyCode::Char('h'), KeyModifiers::CONTROL)),
        (b"\x03", key(KeyCode::Char('c'), KeyModifiers::CONTROL)),
        (b"\x1a", key(KeyCode::Char('z'), KeyModifiers::CONTROL)),
        (b"\x00", key(KeyCode::Char(' '), KeyModifiers::CONTROL)),
        (b"\x1c", key(KeyCode::Char('4'), KeyModifiers::CONTROL)),
        (b"\x1b", plain(KeyCode::Esc)),
        (b"\x1bx", key(KeyCode::Char('x'), KeyModifiers::ALT)),
        (b"\x1b]", key(KeyCode::Char(']'), KeyModifiers::ALT)),
        (b"\x1b[A", plain(KeyCode::Up)),
        (b"\x1bOB", plain(KeyCode::Down)),
        (b"\x1b[1;5C", key(KeyCode::Right, KeyModifiers::CONTROL)),
        (b"\x1b[1;2D", key(KeyCode::Left, KeyModifiers::SHIFT)),
        (b"\x1b[H", plain(KeyCode::Home)),
        (b"\x1b[4~", plain(KeyCode::End)),
        (b"\x1b[5~", plain(KeyCode::PageUp)),
        (b"\x1b[6;5~", key(KeyCode::PageDown, KeyModifiers::CONTROL)),
        (b"\x1b[3~", plain(KeyCode::Delete)),
        (b"\x1bOP", plain(KeyCode::F(1))),
        (b"\x1b[[B", plain(KeyCode::F(2))),
        (b"\x1b[15~", plain(KeyCode::F(5))),
        (b"\x1b[24~", plain(KeyCode::F(12))),
        (b"\x1b[Z", key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        (b"\x1b[105;5u", key(KeyCode::Char('i'), KeyModifiers::CONTROL)),
        (b"\x1b[27;5;105~", key(KeyCode::Char('i'), KeyModifiers::CONTROL)),
        (b"\x1b[I", Event::FocusGained),
        (b"\x1b[O", Event::FocusLost),
        (
            b"\x1b[200~one\rtwo\x1b[31m\x1b[201~",
            Event::Paste("one\ntwo\x1b[31m".into()),
        ),
        (
            b"\x1b[<0;10;5M",
            Event::Mouse(MouseEvent {
                kind: MouseEventKind::Down(MouseButton::Left),
                column: 9,
                row: 4,
                modifiers: KeyModifiers::NONE,
            }),
        ),
        (
            b"\x1b[<65;1;1M",
            Event::Mouse(MouseEvent {
                kind: MouseEventKind::ScrollDown,
                column: 0,
                row: 0,
                modifiers: KeyModifiers::NONE,
            }),
        ),
    ];
    for (bytes, want) in cases {
        assert_eq!(parse(bytes), vec![want.clone()], "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn what_a_terminal_answers_is_no_key() {
    let answers: &[&[u8]] = &[
        b"\x1b[?62;22c",
        b"\x1b[12;40R",
        b"\x1b]11;rgb:0000/0000/0000\x07",
        b"\x1b]11;rgb:0000/0000/0000\x1b\\",
        b"\x1bP1+r\x1b\\",
        b"\x1b[>0;276;0c",
        b"\xff\xfe",
        b"\x1b[Mabc",
        b"\x1b[1;",
    ];
    for answer in answers {
        assert_eq!(parse(answer), vec![], "{:?}", String::from_utf8_lossy(answer));
    }
}

#[test]
fn a_burst_is_read_in_order_and_a_second_escape_is_a_second_key() {
    let events = parse(b"j\x1b[Bk\x1b\x1bq");
    let codes: Vec<KeyCode> = events
        .iter()
        .filter_map(|e| match e {
            Event::Key(k) => Some(k.code),
            _ => None,
        })
        .collect();
    assert_eq!(
        codes,
        [
            KeyCode::Char('j'),
            KeyCode::Down,
            KeyCode::Char('k'),
            KeyCode::Esc,
            KeyCode::Char('q')
        ]
    );
}

#[test]
fn a_paste_has_an_end_even_when_it_is_huge() {
    let mut bytes = b"\x1b[200~".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', PASTE_MAX * 2));
    bytes.extend_from_slice(b"\x1b[201~q");
    let events = parse(&bytes);
    assert!(matches!(&events[..], [Event::Paste(p), Event::Key(_)] if p.len() == PASTE_MAX));
}

proptest! {
    #[test]
    fn cutting_the_bytes_anywhere_changes_nothing(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            &b"a"[..], b"\x1b[A", b"\x1b[1;5C", b"\x1b[200~pasted \x1b[20 text\x1b[201~", b"\x1b[<0;3;4M", b"\xc3\xa9",
            b"\x1b[15~", b"\x1bOP", b"\x1b]0;t\x07", b"\r",
        ]), 1..12),
        cuts in proptest::collection::vec(1usize..7, 1..20),
    ) {
        let bytes: Vec<u8> = parts.concat();
        let whole = parse(&bytes);
        let (mut parser, mut events, mut rest) = (Parser::default(), Vec::new(), bytes.as_slice());
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            parser.feed(now, &mut events);
            rest = later;
            if rest.is_empty() { break; }
        }
        prop_assert!(!parser.is_waiting());
        prop_assert_eq!(events, whole);
    }

    #[test]
    fn no_bytes_make_it_panic_or_wait_for_ever(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(&bytes, &mut events);
        prop_assert!(parser.buffer.len() <= SEQUENCE_MAX);
        parser.feed(b"\x1b[201~\x1b\\\x1b\\~~~", &mut events);
        parser.give_up(&mut events);
        events.clear();
        parser.feed(b"q", &mut events);
        prop_assert_eq!(events.last(), Some(&plain(KeyCode::Char('q'))));
    }
}
