//! The sans-IO network stack: tables, links, interfaces, IP, ICMP, UDP, TCP demultiplexing, DHCP, DNS.
#![no_std]
