/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/list.h"

struct item {
	int number;
	struct list link;
};

static int pop_number(struct list *head)
{
	struct list *el = list_pop(head);

	return el == NULL ? -1 : container_of(el, struct item, link)->number;
}

static void elements_come_out_as_they_went_in(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[3] = { { .number = 0 },
				 { .number = 1 },
				 { .number = 2 } };

	(void)state;
	assert_true(list_empty(&head));
	for (int i = 0; i < 3; i++)
		list_push(&head, &items[i].link);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pop_number(&head), i);
	assert_int_equal(pop_number(&head), -1);
}

static void a_removed_element_may_be_removed_again(void **state)
{
	struct list head = LIST_INIT(head);
	struct item a = { .number = 1 };
	struct item b = { .number = 2 };

	(void)state;
	list_push(&head, &a.link);
	list_push(&head, &b.link);
	list_remove(&a.link);
	list_remove(&a.link);
	assert_int_equal(pop_number(&head), 2);
	assert_true(list_empty(&head));
}

static void splice_moves_all_to_the_end(void **state)
{
	struct list to = LIST_INIT(to);
	struct list from = LIST_INIT(from);
	struct item items[4] = { { .number = 0 },
				 { .number = 1 },
				 { .number = 2 },
				 { .number = 3 } };

	(void)state;
	for (int i = 0; i < 4; i++)
		list_push(i < 2 ? &to : &from, &items[i].link);
	list_splice(&to, &from);
	assert_true(list_empty(&from));
	list_splice(&to, &from);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pop_number(&to), i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_come_out_as_they_went_in),
		cmocka_unit_test(a_removed_element_may_be_removed_again),
		cmocka_unit_test(splice_moves_all_to_the_end),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
