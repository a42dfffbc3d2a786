//! The JSON text of reports, read back by another implementation.

use corelane::report::Json;

#[test]
fn every_character_of_a_string_survives_a_json_reader() {
    let text: String = ('\0'..='\u{ff}').chain("µ€😀\u{2028}".chars()).collect();
    let value = Json::object([(text.clone(), Json::text(text.clone()))]);
    let read: serde_json::Value = serde_json::from_str(&value.to_string()).unwrap();
    assert_eq!(read[&text], text);
}

#[test]
fn numbers_are_read_as_they_were_written() {
    let numbers = [0.0, 0.1, 12.345, 1e-9, 123_456_789.5, 1e300];
    for number in numbers {
        let read: f64 = serde_json::from_str(&Json::Float(number).to_string()).unwrap();
        assert!((read - number).abs() <= number * f64::EPSILON, "{number}");
    }
    let read: u64 = serde_json::from_str(&Json::Unsigned(u64::MAX).to_string()).unwrap();
    assert_eq!(read, u64::MAX);
}
