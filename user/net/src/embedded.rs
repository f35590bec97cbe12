//! Streams under the names of `embedded-io`, for code that knows nothing of sockets.
//!
//! *Never* does anything of its own.

use crate::error::Error;
use crate::stream::{ReadHalf, TcpStream, WriteHalf};

macro_rules! embedded_io_traits {
    (read $($reader:ident)*; write $($writer:ident)*) => {
        $(
            impl embedded_io::ErrorType for $reader {
                type Error = Error;
            }
        )*
        impl embedded_io::ErrorType for WriteHalf {
            type Error = Error;
        }
        $(
            impl embedded_io_async::Read for $reader {
                async fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
                    $reader::read(self, into).await
                }
            }
        )*
        $(
            impl embedded_io_async::Write for $writer {
                async fn write(&mut self, from: &[u8]) -> Result<usize, Error> {
                    $writer::write(self, from).await
                }
                async fn flush(&mut self) -> Result<(), Error> {
                    $writer::flush(self).await
                }
            }
        )*
    };
}

embedded_io_traits! { read TcpStream ReadHalf; write TcpStream WriteHalf }
