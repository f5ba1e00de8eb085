//! Several messages in a frame, one message over several.

use signalr::{Encoding, Message, Reader};

use crate::given::{BOTH, call, one_of_each, read_pieces};

const LARGEST: usize = 32 * 1024;

fn all(encoding: Encoding) -> Vec<u8> {
    one_of_each().iter().flat_map(|message| encoding.write(message)).collect()
}

#[test]
fn messages_of_every_kind_come_out_whole_from_one_piece_and_from_single_bytes() {
    for encoding in BOTH {
        let bytes = all(encoding);
        for size in [1, 2, 7, bytes.len()] {
            let read = read_pieces(&mut Reader::new(encoding, LARGEST), bytes.chunks(size));
            assert_eq!(read, Ok(one_of_each()), "{encoding:?} in pieces of {size}");
        }
    }
}

#[test]
fn every_cut_into_two_gives_the_same_messages() {
    for encoding in BOTH {
        let bytes = all(encoding);
        for cut in 0..=bytes.len() {
            let (before, after) = bytes.split_at(cut);
            let read = read_pieces(&mut Reader::new(encoding, LARGEST), [before, after]);
            assert_eq!(read, Ok(one_of_each()), "{encoding:?} at {cut}");
        }
    }
}

#[test]
fn messages_pushed_before_any_was_asked_for_are_all_there() {
    for encoding in BOTH {
        let bytes = all(encoding);
        let mut reader = Reader::new(encoding, LARGEST);
        bytes.chunks(3).for_each(|piece| reader.push(piece));
        assert_eq!(read_pieces(&mut reader, [&[][..]]), Ok(one_of_each()));
    }
}

#[test]
fn messages_of_unknown_types_between_others_are_left_out() {
    let json = b"{\"type\":6}\x1e{\"type\":99}\x1e{\"type\":6}\x1e";
    assert_eq!(read_pieces(&mut Reader::new(Encoding::Json, LARGEST), [&json[..]]), Ok(vec![Message::Ping; 2]));
    let binary = b"\x02\x91\x06\x02\x91\x63\x02\x91\x06";
    assert_eq!(
        read_pieces(&mut Reader::new(Encoding::MessagePack, LARGEST), [&binary[..]]),
        Ok(vec![Message::Ping; 2])
    );
}

#[test]
fn a_length_may_be_written_longer_than_it_must() {
    let read = read_pieces(&mut Reader::new(Encoding::MessagePack, LARGEST), [&b"\x82\x80\x00\x91\x06"[..]]);
    assert_eq!(read, Ok(vec![Message::Ping]));
}

#[test]
fn ten_thousand_pings_are_ten_thousand_pings() {
    for encoding in BOTH {
        let bytes = encoding.write(&Message::Ping).repeat(10_000);
        let mut reader = Reader::new(encoding, LARGEST);
        assert_eq!(read_pieces(&mut reader, [&bytes[..]]).map(|read| read.len()), Ok(10_000));
        assert_eq!(reader.buffered(), 0);
    }
}

#[test]
fn a_reader_that_holds_nothing_takes_no_memory() {
    for encoding in BOTH {
        let bytes = encoding.write(&call(None, "Send", &["x".repeat(20_000).into()]));
        let mut reader = Reader::new(encoding, LARGEST);
        assert_eq!(read_pieces(&mut reader, [&bytes[..10_000]]), Ok(vec![]));
        assert!(reader.buffered() >= 10_000);
        assert_eq!(read_pieces(&mut reader, [&bytes[10_000..]]).map(|read| read.len()), Ok(1));
        assert_eq!(reader.buffered(), 0);
        // What stays of a large piece takes no more than it needs.
        assert_eq!(read_pieces(&mut reader, [&[&bytes[..], &bytes[..3]].concat()[..]]).map(|read| read.len()), Ok(1));
        assert!(reader.buffered() <= 64, "{}", reader.buffered());
    }
}
