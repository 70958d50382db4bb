import * as api from './api.js';
import {mountCompare} from './compare.js';
import {form} from './form.js';

mountCompare(document.getElementById('compare'), {form, api});
