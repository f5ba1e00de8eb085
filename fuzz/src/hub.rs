use signalr::{Encoding, Message, ProtocolError, Reader, handshake as protocol};

/// Small, so that inputs reach it.
const LARGEST: usize = 512;

/// The first byte says in which pieces the rest comes. However it is cut, the same messages come out of it; each is the
/// same message when it is written in either encoding and read again; and the reader holds no more than its bound.
pub fn hub(encoding: Encoding, input: &[u8]) {
    let Some((&size, bytes)) = input.split_first() else { return };
    let (messages, error) = read(encoding, [bytes]);
    assert_eq!(read(encoding, bytes.chunks(usize::from(size).max(1))), (messages.clone(), error));
    for message in messages {
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let mut reader = Reader::new(encoding, usize::MAX);
            reader.push(&encoding.write(&message));
            assert_eq!(reader.next().as_ref(), Ok(&Some(message.clone())), "{encoding:?}");
            assert_eq!(reader.next(), Ok(None));
            assert_eq!(reader.buffered(), 0);
        }
    }
}

fn read<'a>(encoding: Encoding, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Message>, Option<ProtocolError>) {
    let mut reader = Reader::new(encoding, LARGEST);
    let mut messages = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.buffered(), 0);
                    // The words go to the client.
                    assert!(error.to_string().len() < 1024);
                    return (messages, Some(error));
                }
            }
        }
        // A message with its frame; the memory doubles as it grows.
        assert!(reader.buffered() <= 2 * (LARGEST + 5 + piece.len()));
    }
    (messages, None)
}

/// A handshake is whole at its end and not before, and what follows it is left alone.
pub fn handshake(input: &[u8]) {
    let (asked, length) = match protocol::read(input) {
        Ok(Some(read)) => read,
        Ok(None) => return,
        Err(error) => return assert!(error.to_string().len() < 1024),
    };
    assert!(length <= input.len() && length <= protocol::MAX_HANDSHAKE_BYTES);
    assert_eq!(protocol::read(&input[..length]), Ok(Some((asked, length))));
    assert_eq!(protocol::read(&input[..length - 1]), Ok(None));
}
