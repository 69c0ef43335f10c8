"""Certificates: the authority of an installation, what it issued and what it took back.

A folder (`deploy/pki` of an installation) with

    ca.crt ca.key     the authority; the key is encrypted with a passphrase
    crl.pem           what was taken back
    issued.jsonl      the ledger: one line for each certificate
    gateways/         NAME.pem, until it is carried to its gateway
    broker/           all that the broker reads, and nothing else: ca.crt crl.pem acl server.pem

A file takes the owner of the folder that it is written into, so that the broker, which is not root, can read its own.
"""
