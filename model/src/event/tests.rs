use serde_json::json;

use super::*;

fn minimal() -> Value {
    json!({ "specversion": "1.0", "id": "1", "source": "/x", "type": "t", "audience": "user:ada" })
}

fn parse(value: &Value) -> Result<Event, EventError> {
    Event::parse(&serde_json::to_vec(value).unwrap())
}

#[test]
fn of_our_own_types_a_publisher_may_say_a_message_alone() {
    let of_type = |event_type: &str| Event::new("/x", event_type, Audience::user("ada"));
    for event_type in [MESSAGE, "t", "order.shipped", "bellwireless.x", "bellwire"] {
        assert!(of_type(event_type).is_for_publishers(), "{event_type}");
    }
    for event_type in ["bellwire.task.succeeded", "bellwire.approval.decided", PULSE, "bellwire.new", "bellwire."] {
        assert!(!of_type(event_type).is_for_publishers(), "{event_type}");
    }
}

#[test]
fn what_a_publisher_may_say_is_no_duplicate_of_what_it_may_not() {
    let end = Event::new("/functions/imports", "bellwire.task.succeeded", Audience::user("ada"));
    let taken = Event { event_type: MESSAGE.to_owned(), ..end.clone() };
    assert_ne!(taken.identity(), end.identity());
    let other_end = Event { event_type: "bellwire.task.failed".to_owned(), ..end.clone() };
    assert_eq!(other_end.identity(), end.identity());
}

#[test]
fn an_event_reads_back_with_extensions_of_the_users_own() {
    let mut value = minimal();
    value["partitionkey"] = json!("7");
    value["data"] = json!({ "any": [1, 2] });
    let event = parse(&value).unwrap();
    assert_eq!(serde_json::to_value(&event).unwrap(), value);
}

#[test]
fn data_that_no_number_of_ours_can_hold_are_written_as_they_were_read() {
    let json = r#"{"specversion":"1.0","id":"1","source":"/x","type":"t","audience":"user:ada","data":{"b":12345678901234567890123,"a":[1e400,1.10]}}"#;
    let event = Event::parse(json.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(event.to_json().unwrap()).unwrap(), json);
    let nothing = Event::parse(json.replace("{\"b\":", "null,\"x\":[").replace("]}}", "]]}").as_bytes());
    assert!(nothing.is_err(), "an extension is a value of our own");
}

#[test]
fn data_may_be_nested_as_deep_as_readers_go() {
    let nested = |depth: usize| {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let json = serde_json::to_string(&minimal()).unwrap();
        Event::parse(format!("{},\"data\":{data}}}", &json[..json.len() - 1]).as_bytes())
    };
    assert!(nested(MAX_EVENT_DEPTH - 1).is_ok());
    assert_eq!(nested(MAX_EVENT_DEPTH), Err(EventError::TooDeep));
    assert!(nested(MAX_EVENT_DEPTH - 1).unwrap().encode().is_ok());
}

#[test]
fn each_missing_or_wrong_attribute_is_named() {
    for (name, wrong) in [
        ("specversion", json!("0.3")),
        ("id", json!("")),
        ("source", json!("a\nb")),
        ("type", json!("a\r\nid: 9")),
        ("audience", json!("nobody")),
        ("time", json!("yesterday")),
        ("subject", json!("x".repeat(513))),
    ] {
        let mut value = minimal();
        value[name] = wrong;
        let error = parse(&value).unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
    for name in ["specversion", "id", "source", "type", "audience"] {
        let mut value = minimal();
        value.as_object_mut().unwrap().remove(name);
        let error = parse(&value).unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn sixty_four_kibibytes_are_taken_and_one_byte_more_is_not() {
    let mut value = minimal();
    value["data"] = json!("");
    let room = MAX_EVENT_BYTES - serde_json::to_vec(&value).unwrap().len();
    value["data"] = json!("x".repeat(room));
    assert!(parse(&value).is_ok());
    value["data"] = json!("x".repeat(room + 1));
    assert_eq!(parse(&value), Err(EventError::TooLarge(MAX_EVENT_BYTES + 1)));
}

#[test]
fn what_is_said_of_a_wrong_event_does_not_repeat_the_whole_of_it() {
    let long = json!("\u{1}é".repeat(5000));
    for wrong in [
        json!({ "time": long }),
        json!({ "audience": long }),
        json!({ "data": { "toast": long } }),
        json!({ "data": { "toast": { "level": long } } }),
    ] {
        let mut value = minimal();
        value.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let words = parse(&value).unwrap_err().to_string();
        assert!(words.chars().count() < 400, "{words}");
    }
}

#[test]
fn a_toast_with_a_script_for_a_link_is_no_event() {
    let mut value = minimal();
    value["data"] = json!({ "toast": { "level": "info", "title": "x",
        "action": { "label": "y", "href": "javascript:alert(1)" } } });
    assert!(parse(&value).unwrap_err().to_string().contains("href"));
}

#[test]
fn a_task_event_names_its_task() {
    let mut value = minimal();
    value["type"] = json!("bellwire.task.succeeded");
    assert!(parse(&value).unwrap_err().to_string().contains("data.task"));
}

#[test]
fn only_a_pulse_has_no_audience() {
    let pulse = Event::pulse("g-1", 7);
    assert_eq!(Event::parse(&pulse.to_json().unwrap()).unwrap(), pulse);
}
