//! The text of a query: one statement that reads, cut at its named parameters. A `:name` in a string, a quoted
//! identifier or a comment is no parameter.

use runtime::definitions::line_of;

/// The most parameters of a query, each counted once.
const MAX_PARAMETERS: usize = 200;

/// A query, cut at its parameters.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct SqlTemplate {
    pieces: Vec<Piece>,
    /// The parameters in the order of their first use, each with its line.
    pub(crate) parameters: Vec<(String, usize)>,
    /// Lines of its file before it.
    pub(crate) lines_before: usize,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    /// An index into `parameters`.
    Parameter(usize),
}

/// A fault of a query and the line of its file.
#[derive(Debug, PartialEq)]
pub(crate) struct SqlError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl SqlTemplate {
    /// Parses a query that begins after so many lines of its file; an error if it is not one statement that reads, or is
    /// ambiguous between the two databases.
    pub(crate) fn parse(text: &str, lines_before: usize) -> Result<Self, SqlError> {
        let mut template = Self::parse_alone(text)
            .map_err(|error| SqlError { line: lines_before + error.line, message: error.message })?;
        template.parameters.iter_mut().for_each(|(_, line)| *line += lines_before);
        Ok(Self { lines_before, ..template })
    }

    fn parse_alone(text: &str) -> Result<Self, SqlError> {
        let mut scanner = Scanner::new(text);
        let (mut verb, mut ended) = (None, false);
        while let Some(byte) = scanner.peek(0) {
            let from = scanner.at;
            match scanner.token(byte)? {
                Token::Blank => {}
                _ if ended => return Err(scanner.error(from, "there is a second statement; a report is one")),
                Token::End => {
                    scanner.cut(from);
                    scanner.piece_start = scanner.at;
                    ended = true;
                }
                Token::Word if verb.is_none() => verb = Some(from..scanner.at),
                Token::Word | Token::Other => {}
            }
        }
        let Some(verb) = verb else {
            return Err(scanner.error(0, "there is no statement in it"));
        };
        let keyword = text[verb.clone()].to_uppercase();
        if !["SELECT", "WITH", "VALUES"].contains(&keyword.as_str()) {
            let why = format!("a report only reads: it begins with SELECT, WITH or VALUES, not with {keyword}");
            return Err(scanner.error(verb.start, &why));
        }
        scanner.cut(text.len());
        Ok(Self { pieces: scanner.pieces, parameters: scanner.parameters, lines_before: 0 })
    }

    /// The offsets at which the comments of a line begin, as far as the text can be read.
    pub(super) fn line_comments(text: &str) -> Vec<usize> {
        let mut scanner = Scanner::new(text);
        let mut found = Vec::new();
        while let Some(byte) = scanner.peek(0) {
            let from = scanner.at;
            match scanner.token(byte) {
                Ok(Token::Blank) if text[from..].starts_with("--") => found.push(from),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        found
    }

    /// The text with a placeholder for each parameter, made from its index in `parameters`.
    pub(crate) fn with_placeholders(&self, placeholder: impl Fn(usize) -> String) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Parameter(index) => placeholder(*index),
        };
        self.pieces.iter().map(text).collect()
    }
}

enum Token {
    /// A space or a comment.
    Blank,
    Word,
    /// A semicolon.
    End,
    Other,
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Start of the text after the last parameter.
    piece_start: usize,
    pieces: Vec<Piece>,
    parameters: Vec<(String, usize)>,
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit()
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, piece_start: 0, pieces: Vec::new(), parameters: Vec::new() }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn error(&self, at: usize, message: &str) -> SqlError {
        SqlError { line: line_of(self.text, at), message: message.to_owned() }
    }

    /// Ends the current piece of text at a position.
    fn cut(&mut self, to: usize) {
        if self.piece_start < to {
            self.pieces.push(Piece::Text(self.text[self.piece_start..to].to_owned()));
        }
    }

    /// Scans one token.
    fn token(&mut self, byte: u8) -> Result<Token, SqlError> {
        match (byte, self.peek(1)) {
            (b'-', Some(b'-')) => self.skip_past("\n", None)?,
            (b'/', Some(b'*')) => self.block_comment()?,
            (b'\'', _) => return self.quoted(b'\'', false),
            (b'"' | b'`', _) => return self.quoted(byte, false),
            (b'E' | b'e', Some(b'\'')) => {
                self.at += 1;
                return self.quoted(b'\'', true);
            }
            (b'$', _) => return self.dollar(),
            (b':', Some(b':' | b'=')) => return self.skip(2, Token::Other),
            (b':', Some(next)) if is_name_start(next) => return self.parameter(),
            (b';', _) => return self.skip(1, Token::End),
            (0, _) => return Err(self.error(self.at, "there is a null character in it")),
            _ if byte.is_ascii_whitespace() => return self.skip(1, Token::Blank),
            _ if is_name_part(byte) => {
                // A dollar sign may stand within a name.
                while self.peek(0).is_some_and(|byte| is_name_part(byte) || byte == b'$') {
                    self.at += 1;
                }
                return Ok(Token::Word);
            }
            _ => return self.skip(1, Token::Other),
        }
        Ok(Token::Blank)
    }

    fn skip(&mut self, bytes: usize, token: Token) -> Result<Token, SqlError> {
        self.at += bytes;
        Ok(token)
    }

    /// Skips past the next `end`, or to the end of the text if there is no message for that.
    fn skip_past(&mut self, end: &str, unclosed: Option<&str>) -> Result<(), SqlError> {
        let rest = &self.text[self.at..];
        self.at = match (rest.find(end), unclosed) {
            (Some(found), _) => self.at + found + end.len(),
            (None, None) => self.text.len(),
            (None, Some(message)) => return Err(self.error(self.at, message)),
        };
        Ok(())
    }

    fn block_comment(&mut self) -> Result<(), SqlError> {
        let from = self.at;
        self.at += 2;
        self.skip_past("*/", Some("the comment /* that begins here never ends"))?;
        // PostgreSQL would look for a second end, SQLite not: what follows would be a comment to one of them alone.
        match self.text[from + 2..self.at].contains("/*") {
            true => Err(self.error(from, "there is a comment /* within the comment that begins here")),
            false => Ok(()),
        }
    }

    fn quoted(&mut self, quote: u8, escapes: bool) -> Result<Token, SqlError> {
        let from = self.at;
        self.at += 1;
        // A doubled quote is an end and a new beginning.
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' if escapes => self.at += 1,
                _ if byte == quote => return Ok(Token::Other),
                _ => {}
            }
        }
        let quote = char::from(quote);
        Err(self.error(from, &format!("the quote {quote} that opens here never closes")))
    }

    /// Scans `$tag$ a text $tag$`.
    fn dollar(&mut self) -> Result<Token, SqlError> {
        let from = self.at;
        let after = &self.bytes[from + 1..];
        let length = after.iter().take_while(|byte| is_name_part(**byte)).count();
        if after.get(length) != Some(&b'$') || after[0].is_ascii_digit() {
            return Err(self.error(from, "there is a '$' here; write a parameter as :name"));
        }
        let tag = self.text[from..from + length + 2].to_owned();
        self.at += tag.len();
        self.skip_past(&tag, Some(&format!("the text {tag} that begins here never ends")))?;
        Ok(Token::Other)
    }

    fn parameter(&mut self) -> Result<Token, SqlError> {
        let from = self.at;
        self.cut(from);
        self.at += 1;
        while self.peek(0).is_some_and(is_name_part) {
            self.at += 1;
        }
        self.piece_start = self.at;
        let name = &self.text[from + 1..self.at];
        let index = match self.parameters.iter().position(|(known, _)| known == name) {
            Some(index) => index,
            None if self.parameters.len() == MAX_PARAMETERS => {
                return Err(self.error(from, &format!("a query has {MAX_PARAMETERS} parameters at most")));
            }
            None => {
                self.parameters.push((name.to_owned(), line_of(self.text, from)));
                self.parameters.len() - 1
            }
        };
        self.pieces.push(Piece::Parameter(index));
        Ok(Token::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        SqlTemplate::parse(text, 0).unwrap().with_placeholders(|index| format!("<{index}>"))
    }

    fn names(text: &str) -> Vec<String> {
        SqlTemplate::parse(text, 0).unwrap().parameters.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_query_of_too_many_parameters_is_refused_and_each_counts_once() {
        let query = |names: usize| (0..names).fold("SELECT ".to_owned(), |text, name| format!("{text}:a{name}, :a0, "));
        assert_eq!(names(&query(200)).len(), 200);
        assert_eq!(SqlTemplate::parse(&query(201), 0).unwrap_err().message, "a query has 200 parameters at most");
    }

    #[test]
    fn a_parameter_is_found_as_often_as_it_stands_there_and_has_one_place() {
        let text = "SELECT a FROM t WHERE m >= :month AND (n = :n OR :month IS NULL)\n  AND é = :été;\n";
        assert_eq!(filled(text), "SELECT a FROM t WHERE m >= <0> AND (n = <1> OR <0> IS NULL)\n  AND é = <2>\n");
        assert_eq!(
            SqlTemplate::parse(text, 0).unwrap().parameters,
            [("month".into(), 1), ("n".into(), 1), ("été".into(), 2)]
        );
    }

    #[test]
    fn what_only_looks_like_a_parameter_stays_as_it_is() {
        for text in [
            "SELECT ':a', ':it''s', \":b\"\":c\", `:d`",
            "SELECT 1 -- :a\n, 2 /* :b ' */ , 3 -- it's :c",
            "SELECT x::text, '5'::int, t.\"y\"::date, 1:: numeric",
            "SELECT $$ :a ' $$, $tag$ :b $$ $tag$, E'it\\' :c', e'\\\\'",
            "SELECT a[1:2], f(x := 3), a$b$c FROM t",
            "SELECT '12:30', ': x', a : 5",
        ] {
            assert_eq!(names(text), [""; 0], "{text}");
            assert_eq!(filled(text), text);
        }
        assert_eq!(names("SELECT 'a'':a' || :b, '\\' || :c"), ["b", "c"], "a backslash is a letter like any other");
        assert_eq!(names("SELECT 1 /* it's */ + :a -- '\n + :b"), ["a", "b"]);
    }

    #[test]
    fn a_report_is_one_statement_that_reads() {
        for (text, line, words) in [
            ("", 1, "no statement"),
            ("-- nothing\n/* here */ ;", 1, "no statement"),
            ("SELECT 1;\nDELETE FROM t", 2, "second statement"),
            ("SELECT 1; -- fine\n;", 2, "second statement"),
            ("\n\nDELETE FROM t", 3, "not with DELETE"),
            ("ATTACH 'x' AS y", 1, "not with ATTACH"),
            ("COPY t TO PROGRAM 'sh'", 1, "not with COPY"),
            ("/* SELECT */ pragma query_only = 0", 1, "not with PRAGMA"),
            ("EXPLAIN ANALYZE DELETE FROM t", 1, "not with EXPLAIN"),
            ("SELECT\n'never", 2, "the quote ' that opens here never closes"),
            ("SELECT \"never", 1, "the quote \" that"),
            ("SELECT 1 /* never", 1, "never ends"),
            ("SELECT /* a /* b */ :c */ 1", 1, "within the comment"),
            ("SELECT $x$ never $y$", 1, "the text $x$"),
            ("SELECT $1", 1, "write a parameter as :name"),
            ("SELECT $name", 1, "write a parameter as :name"),
            ("SELECT 1\0", 1, "null character"),
        ] {
            let error = SqlTemplate::parse(text, 0).unwrap_err();
            assert!(error.line == line && error.message.contains(words), "{text:?}: {error:?}");
        }
        for text in ["select 1;", "WITH a AS (SELECT 1) SELECT * FROM a", "values (1)", "(SELECT 1)", "SELECT 1; -- a"]
        {
            SqlTemplate::parse(text, 0).unwrap();
        }
    }
}
