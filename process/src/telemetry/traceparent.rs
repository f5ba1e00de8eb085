//! The W3C trace context, as it stands in the header `traceparent` and in the attribute of that name of jobs and events.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Bytes of version 00: `00-<32 of 0-9a-f>-<16>-<2>`.
const LENGTH: usize = 55;

/// Reads one; `None` if it is none. Of a later version it reads what version 00 has.
pub(super) fn read(text: &str) -> Option<SpanContext> {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = [version.len(), trace.len(), span.len(), flags.len()];
    if parts.next().is_some() || lengths != [2, 32, 16, 2] || ![version, trace, span, flags].into_iter().all(is_hex) {
        return None;
    }
    if version == "ff" || !rest.is_empty() && (version == "00" || !rest.starts_with('-')) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::NONE)).filter(SpanContext::is_valid)
}

/// Writes one.
pub(super) fn write(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_was_read_is_written_the_same() {
        let context = read(SAMPLED).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(write(&context), SAMPLED);
        let not_sampled = SAMPLED.replace("-01", "-00");
        assert!(!read(&not_sampled).unwrap().is_sampled());
        assert_eq!(write(&read(&not_sampled).unwrap()), not_sampled);
        let later = format!("{}-what-came-later", SAMPLED.replace("00-", "cc-"));
        assert_eq!(write(&read(&later).unwrap()), SAMPLED);
    }

    #[test]
    fn what_is_no_trace_context_is_none() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for text in [
            "",
            "00",
            "ö",
            &format!("00-{trace}-{span}-0"),
            &format!("00-{trace}-{span}-01-more"),
            &format!("cc-{trace}-{span}-01more"),
            &format!("ff-{trace}-{span}-01"),
            &format!("00-{}-{span}-01", trace.to_uppercase()),
            &format!("00-{}-{span}-01", "0".repeat(32)),
            &format!("00-{trace}-{}-01", "0".repeat(16)),
            &format!("00-{trace}-{span}-+1"),
            &format!("0-0{trace}-{span}-01"),
            &format!("00 {trace} {span} 01"),
            &"ö".repeat(40),
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
