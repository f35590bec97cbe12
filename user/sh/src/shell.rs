//! The conversation: prompt, line, commands, prompt.

use alloc::string::String;

use rt::{
    console::{ReadError, read_bytes, write_bytes},
    println,
};

use crate::{
    builtin,
    editor::{Editor, Outcome},
    history::History,
    job,
    line::{self, Command},
};

/// Stands at the start of a line when the shell waits for one. Tests wait for it too.
const PROMPT: &str = "skerry> ";
/// Clears the screen and goes to its first line (ECMA-48 ED, CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// What lasts from line to line.
pub struct Shell {
    history: History,
    /// Exit code of the last command.
    status: i32,
}

impl Shell {
    /// Nothing was entered yet.
    pub const fn new() -> Self {
        Self {
            history: History::new(),
            status: 0,
        }
    }

    /// Reads lines and executes them until the console is closed.
    pub async fn converse(&mut self) {
        let mut editor = Editor::new();
        while let Some(line) = self.read_line(&mut editor).await {
            self.history.add(&line);
            self.execute(&line).await;
        }
    }

    /// Executes the commands of a line. A command that fails says so in a line of its own.
    pub async fn execute(&mut self, line: &str) {
        match line::parse(line) {
            Ok(commands) => {
                for command in &commands {
                    self.status = self.run(command).await;
                    if self.status != 0 {
                        println!("[exit {}]", self.status);
                    }
                    // Ctrl-C is meant for what stands behind as well.
                    if self.status == job::INTERRUPTED {
                        break;
                    }
                }
            }
            Err(error) => {
                println!("sh: {error}");
                self.status = job::USAGE;
            }
        }
    }

    async fn run(&self, command: &Command) -> i32 {
        let words = command.words(self.status);
        let Some((program, arguments)) = words.split_first() else {
            return 0;
        };
        if let Some(status) = builtin::run(program, arguments, self.status, &self.history).await {
            return status;
        }
        if command.is_background {
            job::background(program, arguments).await
        } else {
            job::foreground(program, arguments).await
        }
    }

    /// Reads a line with all comfort; `None` when there is no console any more.
    async fn read_line(&self, editor: &mut Editor) -> Option<String> {
        write_bytes(PROMPT.as_bytes());
        loop {
            let mut byte = [0];
            match read_bytes(&mut byte).await {
                Ok(_) => {}
                Err(ReadError::Interrupted) => {
                    editor.reset();
                    println!("^C");
                    write_bytes(PROMPT.as_bytes());
                    continue;
                }
                Err(ReadError::Closed) => return None,
            }
            let mut screen = String::new();
            let outcome = editor.feed(byte[0], &self.history, &mut screen);
            match outcome {
                // A system of one user has nobody to log out.
                Outcome::Editing | Outcome::EndOfInput => {}
                Outcome::Clear => {
                    screen.push_str(CLEAR);
                    screen.push_str(PROMPT);
                    screen.push_str(&editor.text());
                }
                Outcome::Done(line) => {
                    write_bytes(screen.as_bytes());
                    return Some(line);
                }
            }
            write_bytes(screen.as_bytes());
        }
    }
}
