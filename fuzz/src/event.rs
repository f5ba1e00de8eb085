use model::event::{Event, EventError, MAX_EVENT_BYTES, MAX_EVENT_MEMORY};

/// An event that was taken is good as it stands, and is the same event after it was written, sent and read again.
pub fn event(input: &[u8]) {
    let event = match Event::parse(input) {
        Ok(event) => event,
        Err(error) => {
            // The words go to whoever published it, and into logs.
            assert!(error.to_string().len() < 2048);
            return;
        }
    };
    assert_eq!(event.check(), Ok(()));
    match event.to_json() {
        Ok(json) => assert_eq!(Event::parse(&json), Ok(event)),
        // An escape or a number may be longer written by us than by its author.
        Err(EventError::TooManyValues(memory)) => assert!(memory > MAX_EVENT_MEMORY),
        Err(error) => assert!(matches!(error, EventError::TooLarge(length) if length > MAX_EVENT_BYTES), "{error}"),
    }
}
