// The bridge's interface against OpenAPI's own schema. That each answer is as it says is tried by test_openapi.py.
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {test} from 'node:test';
import {Validator} from '@seriousme/openapi-schema-validator';

const read = async () => JSON.parse(await readFile(new URL('../../client/bridge/openapi.json', import.meta.url)));

const check = async (document) => {
    const validator = new Validator();
    const {valid, errors} = await validator.validate(document);
    return {valid, errors, version: validator.version};
};

test('the document is OpenAPI 3.1, and every reference leads somewhere', async () => {
    assert.deepEqual(await check(await read()), {valid: true, errors: undefined, version: '3.1'});
    const validator = new Validator();
    await validator.validate(await read());
    assert.doesNotThrow(() => validator.resolveRefs());
});

test('what is wrong in it is found', async () => {
    const document = await read();
    document.paths['/healthz'].get.responses['200'] = {content: 'text'};
    assert.equal((await check(document)).valid, false);
});
