//! A query's text: one statement that reads, its named parameters found where they are parameters and not where they
//! stand in a text, a quoted name or a comment.

/// A query, cut where its parameters stand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sql {
    pieces: Vec<Piece>,
    /// The parameters in the order of their first use, each with the line of it.
    pub(crate) names: Vec<(String, usize)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    /// A place in `names`.
    Parameter(usize),
}

/// What is wrong with a query, and in which line of its file.
#[derive(Debug, PartialEq)]
pub(crate) struct SqlProblem {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Sql {
    /// Reads a query; `Err` where it is not one statement that reads, or means another thing to each database.
    pub(crate) fn read(text: &str) -> Result<Self, SqlProblem> {
        let mut scanner =
            Scanner { text, bytes: text.as_bytes(), at: 0, begun: 0, pieces: Vec::new(), names: Vec::new() };
        let (mut verb, mut ended) = (None, false);
        while let Some(byte) = scanner.peek(0) {
            let from = scanner.at;
            match scanner.token(byte)? {
                Token::Blank => {}
                _ if ended => return Err(scanner.problem(from, "there is a second statement; a report is one")),
                Token::End => {
                    scanner.cut(from);
                    scanner.begun = scanner.at;
                    ended = true;
                }
                Token::Word if verb.is_none() => verb = Some(from..scanner.at),
                Token::Word | Token::Other => {}
            }
        }
        let Some(verb) = verb else {
            return Err(scanner.problem(0, "there is no statement in it"));
        };
        let word = text[verb.clone()].to_uppercase();
        if !["SELECT", "WITH", "VALUES"].contains(&word.as_str()) {
            let why = format!("a report only reads: it begins with SELECT, WITH or VALUES, not with {word}");
            return Err(scanner.problem(verb.start, &why));
        }
        scanner.cut(text.len());
        Ok(Self { pieces: scanner.pieces, names: scanner.names })
    }

    /// The text with a placeholder for each parameter, which is given as its place in `names`.
    pub(crate) fn with_placeholders(&self, placeholder: impl Fn(usize) -> String) -> String {
        let shown = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Parameter(place) => placeholder(*place),
        };
        self.pieces.iter().map(shown).collect()
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
    /// Where the piece of text began that is not cut yet.
    begun: usize,
    pieces: Vec<Piece>,
    names: Vec<(String, usize)>,
}

fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_of_name(byte: u8) -> bool {
    begins_name(byte) || byte.is_ascii_digit()
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn problem(&self, at: usize, message: &str) -> SqlProblem {
        let line = 1 + self.bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        SqlProblem { line, message: message.to_owned() }
    }

    /// Ends the piece of text that stands before a place.
    fn cut(&mut self, to: usize) {
        if self.begun < to {
            self.pieces.push(Piece::Text(self.text[self.begun..to].to_owned()));
        }
    }

    /// Goes over one token.
    fn token(&mut self, byte: u8) -> Result<Token, SqlProblem> {
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
            (b':', Some(b':' | b'=')) => return self.over(2, Token::Other),
            (b':', Some(next)) if begins_name(next) => return self.parameter(),
            (b';', _) => return self.over(1, Token::End),
            (0, _) => return Err(self.problem(self.at, "there is a null character in it")),
            _ if byte.is_ascii_whitespace() => return self.over(1, Token::Blank),
            _ if is_of_name(byte) => {
                // A dollar sign may stand within a name.
                while self.peek(0).is_some_and(|byte| is_of_name(byte) || byte == b'$') {
                    self.at += 1;
                }
                return Ok(Token::Word);
            }
            _ => return self.over(1, Token::Other),
        }
        Ok(Token::Blank)
    }

    fn over(&mut self, bytes: usize, token: Token) -> Result<Token, SqlProblem> {
        self.at += bytes;
        Ok(token)
    }

    /// Goes to after the next `end`, or to the end of the text where that is no problem.
    fn skip_past(&mut self, end: &str, unclosed: Option<&str>) -> Result<(), SqlProblem> {
        let rest = &self.text[self.at..];
        self.at = match (rest.find(end), unclosed) {
            (Some(found), _) => self.at + found + end.len(),
            (None, None) => self.text.len(),
            (None, Some(message)) => return Err(self.problem(self.at, message)),
        };
        Ok(())
    }

    fn block_comment(&mut self) -> Result<(), SqlProblem> {
        let from = self.at;
        self.at += 2;
        self.skip_past("*/", Some("the comment /* that begins here never ends"))?;
        // PostgreSQL would look for a second end, SQLite not: what follows would be a comment to one of them alone.
        match self.text[from + 2..self.at].contains("/*") {
            true => Err(self.problem(from, "there is a comment /* within the comment that begins here")),
            false => Ok(()),
        }
    }

    fn quoted(&mut self, quote: u8, escapes: bool) -> Result<Token, SqlProblem> {
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
        Err(self.problem(from, &format!("the quote {quote} that opens here never closes")))
    }

    /// `$tag$ a text $tag$`.
    fn dollar(&mut self) -> Result<Token, SqlProblem> {
        let from = self.at;
        let after = &self.bytes[from + 1..];
        let length = after.iter().take_while(|byte| is_of_name(**byte)).count();
        if after.get(length) != Some(&b'$') || after[0].is_ascii_digit() {
            return Err(self.problem(from, "there is a '$' here; write a parameter as :name"));
        }
        let tag = self.text[from..from + length + 2].to_owned();
        self.at += tag.len();
        self.skip_past(&tag, Some(&format!("the text {tag} that begins here never ends")))?;
        Ok(Token::Other)
    }

    fn parameter(&mut self) -> Result<Token, SqlProblem> {
        let from = self.at;
        self.cut(from);
        self.at += 1;
        while self.peek(0).is_some_and(is_of_name) {
            self.at += 1;
        }
        self.begun = self.at;
        let name = &self.text[from + 1..self.at];
        let place = match self.names.iter().position(|(known, _)| known == name) {
            Some(place) => place,
            None => {
                let line = self.problem(from, "").line;
                self.names.push((name.to_owned(), line));
                self.names.len() - 1
            }
        };
        self.pieces.push(Piece::Parameter(place));
        Ok(Token::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Sql::read(text).unwrap().with_placeholders(|place| format!("<{place}>"))
    }

    fn names(text: &str) -> Vec<String> {
        Sql::read(text).unwrap().names.into_iter().map(|(name, _)| name).collect()
    }

    fn problem(text: &str) -> (usize, String) {
        let problem = Sql::read(text).unwrap_err();
        (problem.line, problem.message)
    }

    #[test]
    fn a_parameter_is_found_as_often_as_it_stands_there_and_has_one_place() {
        let text = "SELECT a FROM t WHERE m >= :month AND (n = :n OR :month IS NULL)\n  AND é = :été;\n";
        assert_eq!(shown(text), "SELECT a FROM t WHERE m >= <0> AND (n = <1> OR <0> IS NULL)\n  AND é = <2>\n");
        assert_eq!(Sql::read(text).unwrap().names, [("month".into(), 1), ("n".into(), 1), ("été".into(), 2)]);
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
            assert_eq!(shown(text), text);
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
            let (at, message) = problem(text);
            assert!(at == line && message.contains(words), "{text:?}: line {at}: {message}");
        }
        for text in ["select 1;", "WITH a AS (SELECT 1) SELECT * FROM a", "values (1)", "(SELECT 1)", "SELECT 1; -- a"]
        {
            Sql::read(text).unwrap();
        }
    }
}
