//! The message for one recipient: what it is, in text and in HTML, and the file or the link to it.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use lettre::{
    Message,
    message::{
        Attachment as AttachedPart, Body, Mailbox, MultiPart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use model::TaskId;
use sha2::{Digest, Sha256};

use crate::{outcome::one_line, parcel::Parcel};

/// In characters.
const MAX_SUBJECT: usize = 200;
/// Bytes of a digest that tell recipients apart.
const ID_BYTES: usize = 8;

/// A file, encoded for any number of messages.
#[derive(Debug)]
pub(crate) struct Attachment {
    content: Body,
    content_type: ContentType,
}

impl Attachment {
    /// The file of a parcel, whose content this is; the error is a reason why there can be none.
    pub(super) fn new(content: Vec<u8>, parcel: &Parcel) -> Result<Self, String> {
        let content_type = ContentType::parse(&parcel.content_type).map_err(|error| error.to_string())?;
        // As it is, byte by byte: other encodings are free to change the ends of lines.
        let content = Body::new_with_encoding(content, ContentTransferEncoding::Base64)
            .map_err(|_| "it cannot be encoded".to_owned())?;
        Ok(Self { content, content_type })
    }
}

/// A message that names nobody but its recipient; the error is a reason why there can be none.
pub(super) fn compose(
    from: &Mailbox,
    task: TaskId,
    parcel: &Parcel,
    to: &Mailbox,
    link: Option<&str>,
    attachment: Option<&Attachment>,
) -> Result<Message, String> {
    let place = Place { link, is_attached: attachment.is_some() };
    let body = MultiPart::alternative_plain_html(place.text(parcel), place.html(parcel));
    let content = match attachment {
        None => body,
        Some(Attachment { content, content_type }) => {
            let part = AttachedPart::new(parcel.file.name().to_owned()).body(content.clone(), content_type.clone());
            MultiPart::mixed().multipart(body).singlepart(part)
        }
    };
    Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(subject(parcel))
        .message_id(Some(message_id(from, task, to)))
        .date_now()
        // No answering machine shall answer it (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(content)
        .map_err(|error| error.to_string())
}

/// The same for each attempt, so that a server or reader can tell that it came twice.
fn message_id(from: &Mailbox, task: TaskId, to: &Mailbox) -> String {
    let digest = Sha256::digest(to.email.to_string().to_lowercase().as_bytes());
    format!("<{task}.{}@{}>", HEXLOWER.encode(&digest[..ID_BYTES]), from.email.domain())
}

fn subject(parcel: &Parcel) -> String {
    let text = one_line(&format!("{} ({})", parcel.title, parcel.summary));
    text.chars().take(MAX_SUBJECT).collect()
}

/// Where the file is.
struct Place<'a> {
    link: Option<&'a str>,
    is_attached: bool,
}

impl Place<'_> {
    fn sentences(&self, parcel: &Parcel) -> Vec<String> {
        let name = parcel.file.name();
        let mut sentences = Vec::new();
        match self.is_attached {
            true => sentences.push(format!("{name} is attached.")),
            false => sentences.push(format!("{name} has {} bytes, and is not attached.", parcel.bytes)),
        }
        if self.link.is_some() {
            let until = parcel.expires.strftime("%Y-%m-%d %H:%M UTC");
            sentences.push(format!("Until {until} whoever it is shared with may fetch it here, signed in:"));
        }
        sentences
    }

    fn text(&self, parcel: &Parcel) -> String {
        let mut text = format!("{}\n{}\n", parcel.title, parcel.summary);
        if !parcel.description.is_empty() {
            let _ = writeln!(text, "{}", parcel.description);
        }
        text.push('\n');
        for (name, value) in &parcel.facts {
            let _ = writeln!(text, "{name}: {value}");
        }
        let _ = writeln!(text, "\n{}", self.sentences(parcel).join("\n"));
        if let Some(link) = self.link {
            let _ = writeln!(text, "{link}");
        }
        text
    }

    fn html(&self, parcel: &Parcel) -> String {
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body style=\"font-family: sans-serif\">\n<h1 style=\"font-size: 1.3em\" dir=\"auto\">{title}</h1>\n",
            title = escaped(&parcel.title)
        );
        let _ = writeln!(html, "<p dir=\"auto\">{}</p>", escaped(&parcel.summary));
        if !parcel.description.is_empty() {
            let _ = writeln!(html, "<p dir=\"auto\">{}</p>", escaped(&parcel.description));
        }
        html.push_str("<table>\n");
        for (name, value) in &parcel.facts {
            let _ = writeln!(
                html,
                "<tr><th align=\"left\" dir=\"auto\">{}</th><td dir=\"auto\">{}</td></tr>",
                escaped(name),
                escaped(value)
            );
        }
        html.push_str("</table>\n");
        for sentence in self.sentences(parcel) {
            let _ = writeln!(html, "<p>{}</p>", escaped(&sentence));
        }
        if let Some(link) = self.link {
            let link = escaped(link);
            let _ = writeln!(html, "<p><a href=\"{link}\">{}</a></p>", escaped(parcel.file.name()));
        }
        html + "</body></html>\n"
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
