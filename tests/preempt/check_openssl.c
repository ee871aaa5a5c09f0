/* SPDX-License-Identifier: MIT */
/*
 * check_openssl.c: handshakes, encrypted data and digests in many goroutines that are stopped anywhere in OpenSSL, which keeps its error queue and its
 * random generators in thread-local storage. Issue 3: "OpenSSL handshakes"; hazards 1, 2, 9 and 12.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "pre.h"
#include "t.h"

#define GOROUTINES 6

/* ---- digests and ciphers ------------------------------------------------------------------------------------------ */

static uint64_t digest_job(uint64_t seed)
{
	static const char *const names[] = { "SHA256", "SHA512", "SHA1", "SHA3-256" };
	unsigned char data[20000], md[EVP_MAX_MD_SIZE];
	uint64_t rng = seed, h = PRE_HASH;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)t_rand(&rng);
	for (long n = t_scaled(60); n > 0; n--) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		unsigned len = 0;

		t_check(ctx && EVP_DigestInit_ex(ctx, EVP_get_digestbyname(names[n % 4]), NULL) == 1);
		for (size_t at = 0; at < sizeof data; at += 1000)
			t_check(EVP_DigestUpdate(ctx, data + at, 1000) == 1);
		t_check(EVP_DigestFinal_ex(ctx, md, &len) == 1);
		h = pre_hash(h, md, len);
		EVP_MD_CTX_free(ctx);
	}
	return h;
}

START_TEST(digests_are_those_of_a_plain_thread)
{
	pre_agree(digest_job, GOROUTINES);
}
END_TEST

static uint64_t cipher_job(uint64_t seed)
{
	unsigned char key[32], iv[12] = { 0 }, in[4000], out[4000], back[4000], tag[16];
	uint64_t rng = seed, h = PRE_HASH;
	int len;

	for (int i = 0; i < 32; i++)
		key[i] = (unsigned char)t_rand(&rng);
	for (long n = t_scaled(400); n > 0; n--) {
		EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

		memset(in, (int)n, sizeof in);
		t_check(ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) == 1);
		t_check(EVP_EncryptUpdate(ctx, out, &len, in, sizeof in) == 1 && len == (int)sizeof in);
		t_check(EVP_EncryptFinal_ex(ctx, out, &len) == 1);
		t_check(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, tag) == 1);
		t_check(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) == 1);
		t_check(EVP_DecryptUpdate(ctx, back, &len, out, sizeof out) == 1);
		t_check(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, 16, tag) == 1);
		t_check(EVP_DecryptFinal_ex(ctx, back, &len) == 1);
		t_check(memcmp(in, back, sizeof in) == 0);
		h = pre_hash(pre_hash(h, out, sizeof out), tag, sizeof tag);
		EVP_CIPHER_CTX_free(ctx);
	}
	return h;
}

START_TEST(ciphers_give_the_same_bytes_and_get_them_back)
{
	pre_agree(cipher_job, GOROUTINES);
}
END_TEST

/* ---- handshakes ---------------------------------------------------------------------------------------------------- */

static SSL_CTX *server_ctx, *client_ctx;

/* A key and a certificate that it signed itself. */
static void make_contexts(void)
{
	EVP_PKEY_CTX *kc = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;
	X509 *cert = X509_new();

	t_check(kc && EVP_PKEY_keygen_init(kc) == 1);
	t_check(EVP_PKEY_CTX_ctrl(kc, EVP_PKEY_EC, -1, EVP_PKEY_CTRL_EC_PARAMGEN_CURVE_NID, NID_X9_62_prime256v1, NULL) == 1);
	t_check(EVP_PKEY_keygen(kc, &key) == 1);
	EVP_PKEY_CTX_free(kc);
	t_check(cert && X509_set_version(cert, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600 * 24);
	t_check(X509_set_pubkey(cert, key) == 1);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"goro", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	t_check(X509_sign(cert, key, EVP_sha256()) > 0);
	server_ctx = SSL_CTX_new(TLS_server_method());
	client_ctx = SSL_CTX_new(TLS_client_method());
	t_check(server_ctx && client_ctx);
	t_check(SSL_CTX_use_certificate(server_ctx, cert) == 1 && SSL_CTX_use_PrivateKey(server_ctx, key) == 1);
	t_check(X509_STORE_add_cert(SSL_CTX_get_cert_store(client_ctx), cert) == 1);
	SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static SSL *side(SSL_CTX *ctx, BIO *bio, int server)
{
	SSL *ssl = SSL_new(ctx);

	t_check(ssl != NULL);
	SSL_set_bio(ssl, bio, bio);
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

static int more_to_do(SSL *ssl, int ret)
{
	int err = ret == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, ret);

	t_check(err == SSL_ERROR_NONE || err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE, "error %d: %s", err,
		ERR_error_string(ERR_peek_error(), NULL));
	return err != SSL_ERROR_NONE;
}

static void exchange(SSL *from, SSL *to, uint64_t seed)
{
	char out[3000], in[3000];
	size_t got = 0;

	memset(out, 'a' + (int)seed % 26, sizeof out);
	t_check_int(SSL_write(from, out, sizeof out), ==, sizeof out);
	while (got < sizeof in) {
		int n = SSL_read(to, in + got, (int)(sizeof in - got));

		t_check_int(n, >, 0);
		got += (size_t)n;
	}
	t_check(memcmp(out, in, sizeof in) == 0);
}

static uint64_t handshake_job(uint64_t seed)
{
	for (long n = t_scaled(8); n > 0; n--) {
		BIO *a, *b;
		SSL *client, *server;
		int todo = 1;

		t_check(BIO_new_bio_pair(&a, 0, &b, 0) == 1);
		client = side(client_ctx, a, 0);
		server = side(server_ctx, b, 1);
		ERR_clear_error();
		while (todo) {
			todo = more_to_do(client, SSL_do_handshake(client));
			todo |= more_to_do(server, SSL_do_handshake(server));
			if (n % 2)
				goro_yield(); /* the next step may be on another thread, with another error queue */
		}
		t_check(SSL_get_verify_result(client) == X509_V_OK);
		exchange(client, server, seed);
		exchange(server, client, seed + 1);
		SSL_free(client);
		SSL_free(server);
	}
	return seed;
}

START_TEST(handshakes_succeed_and_what_is_sent_arrives)
{
	make_contexts();
	pre_agree(handshake_job, GOROUTINES);
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
}
END_TEST

/* The queue of errors is the thread's: between two calls of goro nobody else's errors are in it. */
static uint64_t error_job(uint64_t seed)
{
	for (long n = t_scaled(300); n > 0; n--) {
		unsigned long e;

		ERR_clear_error();
		t_check(!BIO_new_file("/nowhere/at/all", "r"));
		for (volatile int i = 0; i < 20000; i++)
			;
		e = ERR_get_error();
		t_check(e != 0 && ERR_GET_LIB(e) != ERR_LIB_SSL);
		while (ERR_get_error())
			;
		for (volatile int i = 0; i < 20000; i++)
			;
		t_check(ERR_peek_error() == 0);
	}
	return seed;
}

START_TEST(the_queue_of_errors_is_not_mixed_up)
{
	pre_agree(error_job, GOROUTINES);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: openssl");
	TCase *tc = tcase_create("openssl");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, digests_are_those_of_a_plain_thread);
	tcase_add_test(tc, ciphers_give_the_same_bytes_and_get_them_back);
	tcase_add_test(tc, handshakes_succeed_and_what_is_sent_arrives);
	tcase_add_test(tc, the_queue_of_errors_is_not_mixed_up);
	suite_add_tcase(s, tc);
	return t_main(s);
}
