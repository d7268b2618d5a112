-- The database of the provider: mysql <schema.sql. The mail system only reads.
CREATE DATABASE mail CHARACTER SET utf8mb4;
USE mail;
CREATE TABLE domains (
  name     VARCHAR(255) PRIMARY KEY
);
CREATE TABLE mailboxes (
  address  VARCHAR(255) PRIMARY KEY,
  password VARCHAR(255) NOT NULL            -- doveadm pw -s SHA512-CRYPT
);
CREATE TABLE aliases (
  address  VARCHAR(255) NOT NULL,           -- "@domain" is all of a domain
  goal     VARCHAR(255) NOT NULL,
  PRIMARY KEY (address, goal)
);
CREATE USER reader@localhost IDENTIFIED BY 'change-me';
GRANT SELECT ON mail.* TO reader@localhost;
